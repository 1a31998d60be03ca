package functions_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	peltonevent "github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
	"github.com/pelton-dev/pelton/internal/invoke/streamcall"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// transport starts a program that uses the SDK, and what reaches it.
type transport func(t *testing.T) (invoke.Invoker, *program)

// overEach runs a test over every transport on which a sidecar reaches such a program.
func overEach(t *testing.T, test func(t *testing.T, start transport)) {
	for name, start := range map[string]transport{"stream": startStream, "http on a unix socket": startHTTP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start)
		})
	}
}

func startStream(t *testing.T) (invoke.Invoker, *program) {
	t.Helper()
	socket := socketPath(t)
	inv, err := streamcall.Listen(streamcall.Config{
		Socket: socket, Namespace: "prod", Function: "thumbnail", Replica: "thumbnail-1",
	})
	return ready(t, inv, err, startProgram(t, "PELTON_SOCKET="+socket))
}

func startHTTP(t *testing.T) (invoke.Invoker, *program) {
	t.Helper()
	socket := socketPath(t)
	inv, err := httpcall.New(httpcall.Config{Network: "unix", Address: socket})
	return ready(t, inv, err, startProgram(t, "PELTON_SOCKET="+socket, "PELTON_PROTOCOL=cloudevents"))
}

func ready(t *testing.T, inv invoke.Invoker, err error, p *program) (invoke.Invoker, *program) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := inv.WaitReady(ctx); err != nil {
		p.stop()
		t.Fatalf("wait for the program: %v\n%s", err, p.stderr.String())
	}
	return inv, p
}

func newCall(typ string) *invoke.Call {
	return &invoke.Call{
		Event: &peltonevent.Event{
			ID: "id ø-☂", Source: "/kilde?x=1&y=%20", Type: typ, Subject: "bilder/ørken ☂", Time: "2026-02-03T04:05:06.7+02:00",
			DataContentType: "application/json; charset=utf-8", DataSchema: "https://example.com/schema?a=b#c",
			Extensions: []peltonevent.Attribute{{Name: "count", Value: "007"}, {Name: "unicode", Value: "smörgås 🚀"}},
			Data:       []byte(`{"n":1}`),
		},
		Function: "prod/thumbnail", Attempt: 1, Deadline: time.Now().Add(patience),
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, start transport) {
		inv, _ := start(t)
		for _, c := range []struct {
			typ  string
			want invoke.Outcome
		}{
			{"done", invoke.Outcome{}},
			{"error", invoke.Outcome{Kind: invoke.Retry, Reason: "the disk is full \uFFFD"}},
			{"retry", invoke.Outcome{Kind: invoke.Retry, After: 7 * time.Second, Reason: "store: busy"}},
			{"retry soon", invoke.Outcome{Kind: invoke.Retry, Reason: "retry after 0s"}},
			{"reject", invoke.Outcome{Kind: invoke.Reject, Reason: "order 7: unknown customer"}},
			{"panic", invoke.Outcome{Kind: invoke.Retry, Reason: "panic: assignment to entry in nil map"}},
			{"goexit", invoke.Outcome{Kind: invoke.Retry, Reason: "the function ended its goroutine"}},
			{"bad reply", invoke.Outcome{Kind: invoke.Retry, Reason: "the returned event is not valid: source: parse"}},
			{"done", invoke.Outcome{}},
		} {
			got, err := inv.Invoke(t.Context(), newCall(c.typ))
			if err != nil {
				t.Fatalf("%s: %v", c.typ, err)
			}
			if got.Kind != c.want.Kind || got.After != c.want.After || !strings.Contains(got.Reason, c.want.Reason) {
				t.Errorf("%s: got %+v, want %+v", c.typ, got, c.want)
			}
		}
	})
}

// TestMirror sends events through a function that returns them: nothing may change.
func TestMirror(t *testing.T) {
	t.Parallel()
	plain := newCall("mirror").Event
	odd := &peltonevent.Event{
		ID: "1", Source: "urn:a:%41%7E//b?#", Type: "mirror", DataSchema: "HTTP://EXAMPLE.com/%7Ea",
		Data: []byte{0, 0xff},
	}
	bare := &peltonevent.Event{ID: "1", Source: "x", Type: "mirror"}
	overEach(t, func(t *testing.T, start transport) {
		inv, _ := start(t)
		for _, e := range []*peltonevent.Event{plain, odd, bare} {
			call := newCall("mirror")
			call.Event = e
			got, err := inv.Invoke(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, got.Reply, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("event differs (-sent +returned):\n%s", diff)
			}
		}
	})
}

// TestBareReply fills in what identifies a reply, in the same way at each attempt.
func TestBareReply(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, start transport) {
		inv, _ := start(t)
		var first *peltonevent.Event
		for attempt := 1; attempt <= 2; attempt++ {
			call := newCall("bare reply")
			call.Attempt = attempt
			o, err := inv.Invoke(t.Context(), call)
			if err != nil || o.Reply == nil {
				t.Fatalf("got %+v and %v, want a reply", o, err)
			}
			if o.Reply.ID == "" || o.Reply.Source != "/functions/prod/thumbnail" || o.Reply.Type != "pong" {
				t.Errorf("reply: got %+v", o.Reply)
			}
			if first == nil {
				first = o.Reply
			} else if first.ID != o.Reply.ID {
				t.Errorf("id: got %q at the second attempt and %q at the first", o.Reply.ID, first.ID)
			}
		}
	})
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, start transport) {
		inv, _ := start(t)
		call := newCall("delivery")
		call.Attempt, call.Redeliveries = 3, 2
		o, err := inv.Invoke(t.Context(), call)
		if err != nil || o.Reply == nil {
			t.Fatalf("got %+v and %v, want a reply", o, err)
		}
		want := "prod thumbnail thumbnail-1 3 2"
		if _, ok := inv.(*streamcall.Invoker); ok { // over HTTP the end of the connection is all that is said of the deadline
			want += fmt.Sprintf(" until %d", call.Deadline.UnixNano())
		}
		if got := string(o.Reply.Data); got != want {
			t.Errorf("delivery: got %q, want %q", got, want)
		}
	})
}

// TestCancel ends the function's context when nobody waits any more, and at the deadline.
func TestCancel(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, start transport) {
		inv, _ := start(t)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := inv.Invoke(ctx, newCall("hang")); err == nil {
			t.Fatal("canceled call: got no error")
		}
		call := newCall("hang")
		call.Deadline = time.Now().Add(50 * time.Millisecond)
		// The function sees the deadline too: its answer may be faster than the sidecar's patience ends.
		if o, err := inv.Invoke(t.Context(), call); err == nil && o.Kind != invoke.Retry {
			t.Fatalf("late call: got %+v, want an error or a retry", o)
		}
		waittest.Eventually(t, func() error {
			o, err := inv.Invoke(t.Context(), newCall("canceled"))
			if err != nil {
				return err
			}
			if got := string(o.Reply.Data); got != "2" {
				return fmt.Errorf("%s contexts ended, want 2", got)
			}
			return nil
		})
	})
}

func TestLargeReply(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, start transport) {
		inv, _ := start(t)
		_, err := inv.Invoke(t.Context(), newCall("large reply"))
		var e *invoke.Error
		if !errors.As(err, &e) || e.Code != invoke.CodeResponseTooLarge {
			t.Fatalf("got %v, want code %s", err, invoke.CodeResponseTooLarge)
		}
		if _, err := inv.Invoke(t.Context(), newCall("done")); err != nil {
			t.Fatalf("call after it: %v", err)
		}
	})
}

// TestDrain finishes what runs when the program is told to stop, takes nothing new, and exits with 0.
func TestDrain(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, start transport) {
		inv, p := start(t)
		file := filepath.Join(t.TempDir(), "go")
		call := newCall("wait for file")
		call.Event.Data = []byte(file)
		result := make(chan error, 1)
		go func() {
			_, err := inv.Invoke(t.Context(), call)
			result <- err
		}()
		waittest.Eventually(t, func() error { _, err := os.Stat(file + ".waiting"); return err })
		p.signal(t, syscall.SIGTERM)
		waittest.Eventually(t, func() error {
			if _, err := inv.Invoke(t.Context(), newCall("done")); !errors.Is(err, invoke.ErrNotReady) {
				return fmt.Errorf("the stopping program still takes calls: %w", errors.Join(err))
			}
			return nil
		})
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := waittest.Receive(t, result); err != nil {
			t.Fatalf("running call: %v", err)
		}
		p.wantExit(t, 0, "")
	})
}

func TestSecondSignal(t *testing.T) {
	t.Parallel()
	inv, p := startStream(t)
	file := filepath.Join(t.TempDir(), "never")
	call := newCall("wait for file")
	call.Event.Data = []byte(file)
	go func() { _, _ = inv.Invoke(t.Context(), call) }()
	waittest.Eventually(t, func() error { _, err := os.Stat(file + ".waiting"); return err })
	p.signal(t, syscall.SIGTERM)
	waittest.Eventually(t, func() error {
		if _, err := inv.Invoke(t.Context(), newCall("done")); !errors.Is(err, invoke.ErrNotReady) {
			return errors.New("the program did not get its first signal")
		}
		return nil
	})
	p.signal(t, syscall.SIGTERM)
	p.wantExit(t, -1, "")
}

func TestSidecarGoes(t *testing.T) {
	t.Parallel()
	t.Run("while nothing runs", func(t *testing.T) {
		t.Parallel()
		inv, p := startStream(t)
		if err := inv.Close(); err != nil {
			t.Fatal(err)
		}
		p.wantExit(t, 0, "")
	})
	t.Run("during a call", func(t *testing.T) {
		t.Parallel()
		inv, p := startStream(t)
		file := filepath.Join(t.TempDir(), "never")
		call := newCall("wait for file")
		call.Event.Data = []byte(file)
		go func() { _, _ = inv.Invoke(t.Context(), call) }()
		waittest.Eventually(t, func() error { _, err := os.Stat(file + ".waiting"); return err })
		if err := inv.Close(); err != nil {
			t.Fatal(err)
		}
		p.wantExit(t, 1, "the sidecar went away during 1 calls")
	})
}

func TestSecondHandlerIsRefused(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	inv, err := streamcall.Listen(streamcall.Config{Socket: socket})
	ready(t, inv, err, startProgram(t, "PELTON_SOCKET="+socket))
	second := startProgram(t, "PELTON_SOCKET="+socket)
	second.wantExit(t, 1, "another handler is connected to this socket")
}

// TestLateSidecar starts the program before there is a socket, as two containers of a pod may.
func TestLateSidecar(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	p := startProgram(t, "PELTON_SOCKET="+socket)
	inv, err := streamcall.Listen(streamcall.Config{Socket: socket})
	ready(t, inv, err, p)
	if _, err := inv.Invoke(t.Context(), newCall("done")); err != nil {
		t.Fatal(err)
	}
}

func TestNoTransport(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	p.wantExit(t, 1, "run it with `pelton up`, or set PORT, for example PORT=8080")
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "PORT=notaport")
	p.wantExit(t, 1, "serve events: listen tcp")
}
