package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestLogsGoOnWhereTheyEnded follows a log that breaks off: each line is shown once, although the apiserver repeats the last
// second, and so is the log of a pod that comes later.
func TestLogsGoOnWhereTheyEnded(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	pod := func(name string) string {
		return `{"metadata":{"name":"` + name + `","uid":"` + name + `"},"status":{"containerStatuses":[{"name":"handler","state":{"running":{}}}]}}`
	}
	kubeconfig := apiserver(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch path := r.URL.Path; {
		case strings.HasSuffix(path, "/pods/one/log") && opened.Add(1) == 1:
			_, _ = io.WriteString(w, "2026-05-04T12:00:00.1Z first\n2026-05-04T12:00:00.2Z second\x1b[2J\n")
		case strings.HasSuffix(path, "/pods/one/log"):
			if since := r.URL.Query().Get("sinceTime"); since != "2026-05-04T12:00:00Z" {
				t.Errorf("since %q", since)
			}
			_, _ = io.WriteString(w, "2026-05-04T12:00:00.1Z first\n2026-05-04T12:00:00.2Z second\n2026-05-04T12:00:00.3Z third\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case strings.HasSuffix(path, "/pods/two/log"):
			_, _ = io.WriteString(w, "2026-05-04T12:00:09Z later\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case strings.HasSuffix(path, "/pods"):
			pods := pod("one")
			if opened.Load() > 1 {
				pods += "," + pod("two")
			}
			_, _ = fmt.Fprintf(w, `{"apiVersion":"v1","kind":"PodList","metadata":{},"items":[%s]}`, pods)
		default:
			_, _ = io.WriteString(w, `{"apiVersion":"pelton.dev/v1alpha1","kind":"Function","metadata":{"name":"hello"}}`)
		}
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	said, code := &lines{}, make(chan int, 1)
	go func() {
		code <- Run(ctx, Config{
			Args: []string{"logs", "-f", "hello", "--kubeconfig", kubeconfig}, Stdin: strings.NewReader(""), Stdout: said, Stderr: said,
			Getenv: func(string) string { return "" },
		})
	}()
	want := "one/handler: first\none/handler: second [2J\none/handler: third\ntwo/handler: later\n"
	waittest.Eventually(t, func() error {
		if got := said.String(); got != want {
			return fmt.Errorf("said %q", got)
		}
		return nil
	})
	cancel(&SignalError{syscall.SIGINT})
	if got := <-code; got != ExitInterrupted {
		t.Errorf("exit %d", got)
	}
}
