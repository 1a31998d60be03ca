package invoketest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const (
	maxResponse = 2 << 20

	// patience is how long the suite waits for what must happen. It is long because machines are loaded; a healthy run
	// never waits for it.
	patience = 60 * time.Second

	// soon is the deadline of calls that are meant to time out.
	soon = 300 * time.Millisecond
)

// Run tests that a protocol keeps the promises of invoke.Invoker. The calling test must not be parallel.
func Run(t *testing.T, p Protocol) {
	cases := []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"done", testDone},
		{"reply", testReply},
		{"retry", testRetry},
		{"retry after", testRetryAfter},
		{"reject", testReject},
		{"attributes and data arrive", testArrives},
		{"large data", testLargeData},
		{"metadata arrives", testMetadata},
		{"slow answer", testSlow},
		{"timeout", testTimeout},
		{"dripping answer", testDrip},
		{"deadline in the past", testPastDeadline},
		{"cancel", testCancel},
		{"canceled before", testCanceledBefore},
		{"crash", testCrash},
		{"garbage", testGarbage},
		{"huge answer", testHuge},
		{"endless answer", testEndless},
		{"not ready, then ready", testLateHandler},
		{"handler restarts", testRestart},
		{"many at once", testConcurrent},
		{"close", testClose},
		{"close cuts calls", testCloseCuts},
		{"close ends waiting", testCloseEndsWaiting},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "retry after" && !p.RetryAfter {
				t.Skip("the protocol cannot carry a delay")
			}
			c.run(t, newSuite(t, p))
		})
	}
}

// suite is one case with an invoker of its own.
type suite struct {
	p        Protocol
	h        Harness
	inv      invoke.Invoker
	arrivals string
	kill     func()
}

func newSuite(t *testing.T, p Protocol) *suite {
	t.Helper()
	before := takeInventory(t)
	s := &suite{p: p, arrivals: t.TempDir(), kill: func() {}}
	// Cleanups run last in, first out: the inventory is compared when the handler and the invoker are gone.
	t.Cleanup(func() { before.compare(t) })
	s.h = p.New(t, Config{MaxResponse: maxResponse, Env: []string{arrivalEnv + "=" + s.arrivals}})
	s.inv = s.h.Invoker
	t.Cleanup(func() {
		if err := s.inv.Close(); err != nil {
			t.Errorf("close the invoker: %v", err)
		}
		s.kill()
	})
	return s
}

// start gives the invoker a handler and waits until it is ready.
func (s *suite) start(t *testing.T) {
	t.Helper()
	s.kill = s.h.Start(t)
	s.waitReady(t)
}

func (s *suite) waitReady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.inv.WaitReady(ctx); err != nil {
		t.Fatalf("wait for the handler: %v", err)
	}
}

// newCall is a first attempt at an event with hostile attributes, with time enough.
func newCall(typ, id string) *invoke.Call {
	return &invoke.Call{
		Event: &event.Event{
			ID: id, Source: "/invoketest/kilde?x=1&y=%20", Type: typ, Subject: "bilder/ørken ☂ \"1\".png",
			Time: "2026-02-03T04:05:06.7Z", DataContentType: "application/vnd.pelton+json; charset=utf-8",
			DataSchema: "https://example.com/schema?a=b#c",
			Extensions: []event.Attribute{
				{Name: "traceparent", Value: traceparent},
				{Name: "tracestate", Value: "vendor=1,other=2"},
				{Name: "percent", Value: "100% \"sure\" %41"},
				{Name: "unicode", Value: "smörgås 🚀"},
			},
			Data: []byte(`{"n":1}`),
		},
		Function: "prod/thumbnail",
		Attempt:  1,
		Deadline: time.Now().Add(patience),
	}
}

// done makes a call that must succeed: the invoker is usable.
func (s *suite) done(t *testing.T) {
	t.Helper()
	o, err := s.inv.Invoke(t.Context(), newCall(typeDone, "done"))
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	if o.Kind != invoke.Done || o.Reply != nil {
		t.Fatalf("outcome: got %+v, want done without a reply", o)
	}
}

// fails makes a call that must fail with the code.
func (s *suite) fails(t *testing.T, ctx context.Context, call *invoke.Call, code string) {
	t.Helper()
	o, err := s.inv.Invoke(ctx, call)
	wantCode(t, o, err, code)
}

func wantCode(t *testing.T, o invoke.Outcome, err error, code string) {
	t.Helper()
	var e *invoke.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got outcome %+v and error %v, want code %s", o, err, code)
	}
	if errors.Is(err, invoke.ErrNotReady) {
		t.Fatalf("error %v says that the handler did not see the event", err)
	}
}

func wantNotReady(t *testing.T, o invoke.Outcome, err error) {
	t.Helper()
	if !errors.Is(err, invoke.ErrNotReady) {
		t.Fatalf("got outcome %+v and error %v, want ErrNotReady", o, err)
	}
}

// arrived waits until the event with this id reached a handler.
func (s *suite) arrived(t *testing.T, id string) {
	t.Helper()
	waittest.Eventually(t, func() error {
		_, err := os.Stat(arrivalFile(s.arrivals, id))
		return err
	})
}

// absent checks that the event with this id reached no handler.
func (s *suite) absent(t *testing.T, id string) {
	t.Helper()
	if _, err := os.Stat(arrivalFile(s.arrivals, id)); err == nil {
		t.Errorf("event %q reached the handler", id)
	}
}
