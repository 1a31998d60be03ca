package bridge

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
)

// TestWhatACallerIsToldOfAProgram: each text names what was met, and an answer that is too large is not made again.
func TestWhatACallerIsToldOfAProgram(t *testing.T) {
	t.Parallel()
	f := openFront(t, func(s *function.Spec) {
		s.Handler.Protocol = function.ProtocolExec
		s.Retry.MaxAttempts = 2
	})
	dir := t.TempDir()
	inv, err := execcall.New(execcall.Config{Dir: dir, Command: []string{"sh", "-c", `
		echo "$CE_SOURCE" >> runs
		case $CE_SOURCE in
		/tasks/again) echo "not now" >&2; exit 1;;
		/tasks/crash) kill -9 $$;;
		/tasks/much) head -c 3000000 /dev/zero;;
		esac`}})
	if err != nil {
		t.Fatal(err)
	}
	f.replica(inv)
	for path, want := range map[string]struct {
		status       int
		code, detail string
	}{
		"/tasks/again": {503, "call-not-done", "The function asks for another try, and there is none: attempt 2 of 2 was the last: exit 1: not now"},
		"/tasks/crash": {502, "call-failed", "The function broke off without an answer (crash). It may have done some of its work."},
		"/tasks/much": {502, "bad-answer", "The function has answered more than it may: the program wrote more than 1048576 bytes. " +
			"It may have done some of its work."},
	} {
		p := wantProblem(t, f.do(t, http.MethodGet, path, ""), want.status, want.code)
		if p.Detail != want.detail {
			t.Errorf("%s: %q, want %q", path, p.Detail, want.detail)
		}
	}
	runs, err := os.ReadFile(filepath.Join(dir, "runs"))
	if n := strings.Count(string(runs), "/tasks/much\n"); err != nil || n != 1 {
		t.Errorf("it was run %d times for an answer that was too large, %v", n, err)
	}
	f.awaitQueue(0)
	f.wantNoLetters()
}

// TestAnApplicationHasEventsAsTheyWereSent: events in a format of their own are for it to read.
func TestAnApplicationHasEventsAsTheyWereSent(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{function.ModeSync, function.ModeAsync} {
		f := openFront(t, func(s *function.Spec) { s.Triggers[0].HTTP.Mode = mode })
		got := make(chan string, 1)
		f.app(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got <- r.Header.Get("Content-Type") + " " + string(body)
		})
		for _, contentType := range []string{structured, batch} {
			a := f.do(t, http.MethodPost, "/tasks/1", "[what it is]", "Content-Type", contentType)
			if a.StatusCode != http.StatusOK && a.StatusCode != http.StatusAccepted {
				t.Errorf("%s, %s: %d %s", mode, contentType, a.StatusCode, a.body)
				continue
			}
			if got := <-got; got != contentType+" [what it is]" {
				t.Errorf("%s: the application has %q", mode, got)
			}
		}
	}
}

func TestWhoMayGetMayAskForTheHeader(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	if a := f.do(t, http.MethodPatch, "/tasks/1", ""); a.StatusCode != 405 || a.Header.Get("Allow") != "DELETE, GET, HEAD, POST, PUT, OPTIONS" {
		t.Errorf("%d, Allow %q", a.StatusCode, a.Header.Get("Allow"))
	}
}
