package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runLine runs one command line and returns its exit code and what it wrote.
func runLine(ctx context.Context, stdin io.Reader, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Run(ctx, Config{
		Args: args, Stdin: stdin, Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
	})
	return code, out.String(), errs.String()
}

func TestReadingOfDataCanBeInterrupted(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	stdin, w := io.Pipe() // nobody writes to it
	defer func() { _ = w.Close() }()
	for name, c := range map[string]struct {
		args   []string
		signal os.Signal
		want   int
	}{
		"send from stdin":   {[]string{"send", "hello", "--data", "-"}, syscall.SIGINT, ExitInterrupted},
		"send from a FIFO":  {[]string{"send", "hello", "--data", "@" + fifo}, syscall.SIGTERM, ExitTerminated},
		"invoke from stdin": {[]string{"invoke", "hello", "--data", "-"}, syscall.SIGTERM, ExitTerminated},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Millisecond, func() { cancel(&SignalError{c.signal}) })
		if got, _, errs := runLine(ctx, stdin, c.args...); got != c.want {
			t.Errorf("%s: exit %d, want %d: %s", name, got, c.want, errs)
		}
	}
}

func TestDataThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want int
		text string
	}{
		"a folder":               {[]string{"--data", "@."}, ExitInvalid, "is a folder"},
		"no file":                {[]string{"--data", "@nowhere"}, ExitNotFound, "nowhere"},
		"an attribute as one":    {[]string{"--attr", "id=1"}, ExitUsage, "try: --id 1"},
		"the media type":         {[]string{"--attr", "datacontenttype=text/plain"}, ExitUsage, "try: --content-type text/plain"},
		"an attribute of no use": {[]string{"--attr", "id"}, ExitUsage, "want NAME=VALUE"},
	} {
		got, _, errs := runLine(t.Context(), strings.NewReader(""), append([]string{"send", "hello"}, c.args...)...)
		if got != c.want || !strings.Contains(errs, c.text) {
			t.Errorf("%s: exit %d, want %d: %s", name, got, c.want, errs)
		}
	}
}
