package cli

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// tidyTimeout is enough to fetch the modules over a slow line.
const tidyTimeout = 5 * time.Minute

// tidy makes a new module's go.sum, so that its test runs at once and nothing is written when it is built. Where that cannot
// be done the function is still there, and a person is told what is left to do.
func (a *app) tidy(ctx context.Context, c *created) error {
	left := "cd " + c.Dir + " && go mod tidy"
	if _, err := exec.LookPath("go"); err != nil {
		a.say("note: there is no go command here to run `go mod tidy` with")
		c.Next = append(c.Next, left)
		return nil
	}
	a.say("go mod tidy: looks up what the function needs")
	limited, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	cmd := exec.CommandContext(limited, "go", "mod", "tidy")
	cmd.Dir = c.Dir
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		a.say("note: go mod tidy: %v: %s", err, oneLine(lastLine(out), 300))
		c.Next = append(c.Next, left)
		return nil
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "go.sum")); err == nil {
		c.Files = append(c.Files, "go.sum")
		slices.Sort(c.Files)
	}
	return nil
}

func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(lines[len(lines)-1])
}
