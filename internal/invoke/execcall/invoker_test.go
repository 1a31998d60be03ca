package execcall_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
)

const patience = 60 * time.Second

func newInvoker(t *testing.T, cfg execcall.Config) *execcall.Invoker {
	t.Helper()
	inv, err := execcall.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inv.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return inv
}

func shell(t *testing.T, script string) *execcall.Invoker {
	t.Helper()
	return newInvoker(t, execcall.Config{Command: []string{"sh", "-c", script}})
}

func newCall(data string) *invoke.Call {
	return &invoke.Call{
		Event:    &event.Event{ID: "1", Source: "/s", Type: "t", Data: []byte(data)},
		Function: "default/f", Attempt: 1, Deadline: time.Now().Add(patience),
	}
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		script string
		want   invoke.Outcome
	}{
		{"exit 0", invoke.Outcome{}},
		{"echo 'no luck' >&2; exit 75", invoke.Outcome{Kind: invoke.Retry, Reason: "exit 75 (try again): no luck"}},
		{"echo 'not a picture' >&2; exit 65", invoke.Outcome{Kind: invoke.Reject, Reason: "exit 65 (bad data): not a picture"}},
		{"exit 3", invoke.Outcome{Kind: invoke.Retry, Reason: "exit 3"}},
		{"echo a >&2; echo b >&2; exit 3", invoke.Outcome{Kind: invoke.Retry, Reason: "exit 3: a b"}},
		{"exec 2>&-; exit 127", invoke.Outcome{Kind: invoke.Retry, Reason: "exit 127 (a command was not found)"}},
		{"echo lost; exit 1", invoke.Outcome{Kind: invoke.Retry, Reason: "exit 1"}},
	}
	for _, tt := range tests {
		got, err := shell(t, tt.script).Invoke(t.Context(), newCall("x"))
		if err != nil {
			t.Errorf("%s: %v", tt.script, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: outcome differs (-want +got):\n%s", tt.script, diff)
		}
	}
}

func TestReply(t *testing.T) {
	t.Parallel()
	tests := []struct {
		script string
		want   *event.Event
	}{
		{"true", nil},
		{"cat", &event.Event{Data: []byte(`{"n":1}`), DataContentType: "application/json"}},
		{"echo hello", &event.Event{Data: []byte("hello\n"), DataContentType: event.GuessContentType([]byte("hello\n"))}},
		{
			`echo '  {"specversion":"1.0","id":"r","source":"/r","type":"rt","datacontenttype":"text/plain","data":"ok"}'`,
			&event.Event{ID: "r", Source: "/r", Type: "rt", DataContentType: "text/plain", Data: []byte("ok")},
		},
		{`printf '{"specversion": broken'`, &event.Event{
			Data: []byte(`{"specversion": broken`), DataContentType: event.GuessContentType([]byte(`{"specversion": broken`)),
		}},
	}
	for _, tt := range tests {
		got, err := shell(t, tt.script).Invoke(t.Context(), newCall(`{"n":1}`))
		if err != nil || got.Kind != invoke.Done {
			t.Errorf("%s: got %+v, %v", tt.script, got, err)
		}
		if diff := cmp.Diff(tt.want, got.Reply); diff != "" {
			t.Errorf("%s: reply differs (-want +got):\n%s", tt.script, diff)
		}
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script, code, text string
	}{
		{"killed", "echo bye >&2; kill -SEGV $$", invoke.CodeCrash, "bye"},
		{"broken event", `echo '{"specversion":"1.0","id":"r"}'`, invoke.CodeBadResponse, "source"},
		{"too much, at once", "head -c 3000000 /dev/zero", invoke.CodeResponseTooLarge, "1048576"},
		{"too much, then waiting", "head -c 1048577 /dev/zero; sleep 1000", invoke.CodeResponseTooLarge, ""},
	}
	for _, tt := range tests {
		o, err := shell(t, tt.script).Invoke(t.Context(), newCall("x"))
		var e *invoke.Error
		if !errors.As(err, &e) || e.Code != tt.code || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %+v, %v; want code %s", tt.name, o, err, tt.code)
		}
	}
}

// A program may start others that keep its standard output open. The call is over when the program is.
func TestForkedChild(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, start := range []string{"sleep 1000 &", "setsid sleep 1000 &"} {
		pidFile := filepath.Join(dir, "pid")
		script := start + " echo $! >" + pidFile + "; echo answer"
		o, err := shell(t, script).Invoke(t.Context(), newCall("x"))
		if err != nil || o.Reply == nil || string(o.Reply.Data) != "answer\n" {
			t.Errorf("%s: got %+v, %v", start, o, err)
		}
		pid := readPID(t, pidFile)
		if strings.HasPrefix(start, "setsid") {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it left the group: the guard's business
			continue
		}
		if running(pid) {
			t.Errorf("%s: process %d outlived the call", start, pid)
		}
	}
}

// A timeout ends everything the program started.
func TestTimeoutKillsGroup(t *testing.T) {
	t.Parallel()
	pidFile := filepath.Join(t.TempDir(), "pid")
	inv := shell(t, "trap '' TERM; sleep 1000 & echo $! >"+pidFile+"; wait")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := inv.Invoke(ctx, newCall("x"))
		failed <- err
	}()
	pid := readPID(t, pidFile)
	cancel()
	var e *invoke.Error
	if err := <-failed; !errors.As(err, &e) || e.Code != invoke.CodeCanceled {
		t.Errorf("got %v, want code canceled", err)
	}
	if running(pid) {
		t.Errorf("process %d outlived the call", pid)
	}
}

// running says whether a process exists and is not a zombie: a container's first process may never reap orphans.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(time.Millisecond) {
		b, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			return pid
		}
	}
	t.Fatalf("no process id in %s", file)
	return 0
}

// A program need not read its input.
func TestUnreadInput(t *testing.T) {
	t.Parallel()
	o, err := shell(t, "exec <&-; echo ok").Invoke(t.Context(), newCall(strings.Repeat("x", 1<<20)))
	if err != nil || o.Kind != invoke.Done {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/does/not/exist\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []execcall.Config{
		{Command: []string{"no-such-program-at-all"}},
		{Command: []string{"./missing"}, Dir: dir},
		{Command: []string{script}},
		{Command: []string{"true"}, Dir: filepath.Join(dir, "missing")},
	} {
		o, err := newInvoker(t, cfg).Invoke(t.Context(), newCall("x"))
		if !errors.Is(err, invoke.ErrNotReady) {
			t.Errorf("%v: got %+v, %v; want ErrNotReady", cfg.Command, o, err)
		}
	}
}

func TestWaitReadySaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t, execcall.Config{Command: []string{"no-such-program-at-all"}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := inv.WaitReady(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no-such-program-at-all") {
		t.Errorf("got %v, want the context's error and the program's name", err)
	}
}

// What an environment cannot carry will never be accepted: the event is rejected, not tried again.
func TestAttributesThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"NUL": "a\x00b", "size": strings.Repeat("x", 4<<20)} {
		call := newCall("x")
		call.Event.Subject = value
		o, err := shell(t, "true").Invoke(t.Context(), call)
		if err != nil || o.Kind != invoke.Reject || o.Reason == "" {
			t.Errorf("%s: got %+v, %v; want reject", name, o, err)
		}
	}
}

// Variables of a call never come from the environment that the program inherits.
func TestInheritedVariables(t *testing.T) {
	t.Parallel()
	env := []string{"PATH=" + os.Getenv("PATH"), "CE_SUBJECT=stale", "PELTON_ATTEMPT=99", "KEPT=yes"}
	inv := newInvoker(t, execcall.Config{Command: []string{"sh", "-c", `echo "$CE_SUBJECT,$PELTON_ATTEMPT,$KEPT"`}, Env: env})
	o, err := inv.Invoke(t.Context(), newCall("x"))
	if err != nil || string(o.Reply.Data) != ",1,yes\n" {
		t.Errorf("got %+v, %v", o, err)
	}
}

// syncBuffer is a writer for several calls.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func TestStderrIsForwarded(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	inv := newInvoker(t, execcall.Config{Command: []string{"sh", "-c", "echo note >&2"}, Stderr: &log})
	for range 2 {
		if _, err := inv.Invoke(t.Context(), newCall("x")); err != nil {
			t.Fatal(err)
		}
	}
	if got := log.b.String(); got != "note\nnote\n" {
		t.Errorf("forwarded %q", got)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []execcall.Config{{}, {Command: []string{""}}, {Command: []string{"x"}, MaxResponse: -1}} {
		if _, err := execcall.New(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
