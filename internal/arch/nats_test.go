package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dialers are the only files that may connect to NATS in a program that is shipped, each with options that never give up, keep
// no publishes while there is no connection, and notice a server that has gone without a word. A connection made elsewhere would
// have the client's defaults: ten minutes of trying, and an event that was reported as failed and is stored later.
var dialers = []string{
	"internal/cli/natsserver.go", "internal/cli/target.go", "internal/cli/up_streams.go", "internal/natsclient/natsclient.go",
}

// notShipped are folders of tools and tests.
var notShipped = []string{"internal/bench", "internal/e2e", "internal/faults", "internal/lab", "internal/natstest", "internal/kedatest"}

var connects = regexp.MustCompile(`\bnats\.(Connect|Options\{|GetDefaultOptions)`)

// TestProgramsConnectInOneWay reads the source of what is shipped, and the options of those who may connect.
func TestProgramsConnectInOneWay(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	var found []string
	for _, folder := range []string{"cmd", "internal", "scalers", "functions"} {
		err := fs.WalkDir(os.DirFS(root), folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && slices.Contains(notShipped, path) {
				return orSkip(err)
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			if connects.MatchString(source(t, root, path)) {
				found = append(found, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if slices.Sort(found); !slices.Equal(found, dialers) {
		t.Errorf("NATS is dialled in %v, want %v", found, dialers)
	}
	for _, path := range []string{"internal/natsclient/natsclient.go", "internal/cli/target.go"} {
		for _, option := range []string{"nats.MaxReconnects(-1)", "nats.ReconnectBufSize(-1)", "nats.PingInterval(10 * time.Second)"} {
			if !strings.Contains(source(t, root, path), option) {
				t.Errorf("%s: no %s", path, option)
			}
		}
	}
	for _, path := range dialers[:3] {
		if !strings.Contains(source(t, root, path), "connOptions(") {
			t.Errorf("%s: it connects without connOptions", path)
		}
	}
}

func orSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

func source(t *testing.T, root, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
