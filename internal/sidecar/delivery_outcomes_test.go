package sidecar_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func (f *fixture) awaitOutcomes(want ...string) {
	f.t.Helper()
	waittest.Eventually(f.t, func() error {
		if got := f.runs.outcomes(); !slices.Equal(got, want) {
			return errors.New(cmp.Diff(want, got))
		}
		return nil
	})
}

func TestDoneIsAcknowledged(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	f.start()
	f.publish("events.hello", `{"n":1}`, ceHeader("1"))
	f.publish("events.other", `{"n":1}`, ceHeader("2"))
	f.awaitOutcomes("done")
	f.awaitSettled()
	if run := f.runs.get(0); run.EventID != "1" || run.Attempt != 1 || run.Function != "hello" || run.Stream != "EVENTS" {
		t.Fatalf("run is %+v", run)
	}
}

func TestRetryIsParkedAndRunsAgainUnchanged(t *testing.T) {
	t.Parallel()
	type seen struct {
		Attempt int
		Event   event.Event
	}
	var mu sync.Mutex
	var calls []seen
	f := setup(t, nil, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, seen{c.Attempt, *c.Event})
		if c.Attempt < 3 {
			return invoke.Outcome{Kind: invoke.Retry, Reason: "not yet"}, nil
		}
		return invoke.Outcome{}, nil
	})
	f.start()
	f.publish("events.hello", "raw bytes \x00\xff", nil) // a raw message: it must stay the same event on its way
	f.awaitOutcomes("retry", "retry", "done")
	f.awaitSettled()
	mu.Lock()
	defer mu.Unlock()
	for i, c := range calls {
		if c.Attempt != i+1 {
			t.Errorf("call %d is attempt %d", i, c.Attempt)
		}
		if d := cmp.Diff(calls[0].Event, c.Event); d != "" {
			t.Errorf("call %d has another event: %s", i, d)
		}
	}
	if n := len(f.letters()); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	var first time.Time
	early := make(chan time.Duration, 1)
	f := setup(t, nil, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		if c.Attempt == 1 {
			first = time.Now()
			return invoke.Outcome{Kind: invoke.Retry, After: 1200 * time.Millisecond}, nil
		}
		early <- 1200*time.Millisecond - time.Since(first)
		return invoke.Outcome{}, nil
	})
	f.start()
	f.publish("events.hello", "", ceHeader("1"))
	f.awaitOutcomes("retry", "done")
	if d := <-early; d > 0 {
		t.Fatalf("retried %v early", d)
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	crash := func(context.Context, *invoke.Call) (invoke.Outcome, error) {
		return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeCrash, Err: errors.New("connection reset")}
	}
	reject := func(context.Context, *invoke.Call) (invoke.Outcome, error) {
		return invoke.Outcome{Kind: invoke.Reject, Reason: "HTTP 422: no such thing"}, nil
	}
	retry := func(context.Context, *invoke.Call) (invoke.Outcome, error) {
		return invoke.Outcome{Kind: invoke.Retry, Reason: "busy", After: time.Hour}, nil
	}
	broken := ceHeader("1")
	delete(broken, "ce-source")
	tests := map[string]struct {
		spec     func(*function.Spec)
		invoke   func(context.Context, *invoke.Call) (invoke.Outcome, error)
		header   nats.Header
		reason   string
		text     string
		attempts int
		calls    int64
	}{
		"rejected":    {nil, reject, ceHeader("1"), "rejected", "no such thing", 1, 1},
		"attempts":    {nil, crash, ceHeader("1"), "attempts", "crash: connection reset", 3, 3},
		"undecodable": {nil, done, broken, "undecodable", "source", 0, 0},
		"expired": {
			func(s *function.Spec) { s.Retry.MaxAge = function.Duration(10 * time.Minute) },
			retry, ceHeader("1"), "expired", "busy", 1, 1,
		},
		"expired before the first call": {
			func(s *function.Spec) { s.Retry.MaxAge = 1 }, done, ceHeader("1"), "expired", "older than maxAge", 0, 0,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, test.spec, test.invoke)
			f.start()
			data := "bytes \x00\xfe as they were"
			f.publish("events.hello", data, test.header)
			waittest.Eventually(t, func() error {
				if n := len(f.letters()); n != 1 {
					return errors.New("no dead letter yet")
				}
				return nil
			})
			f.awaitSettled()
			l := f.letters()[0]
			if l.Reason != test.reason || !strings.Contains(l.Error, test.text) || l.Attempts != test.attempts {
				t.Errorf("letter says %q %q after %d attempts, want %q %q after %d", l.Reason, l.Error, l.Attempts, test.reason,
					test.text, test.attempts)
			}
			if string(l.Data) != data || l.Stream != "EVENTS" || l.Subject != "events.hello" || l.Sequence != 1 {
				t.Errorf("letter is not the message: %+v", l)
			}
			for name, values := range test.header {
				if !slices.Equal(l.Header[name], values) {
					t.Errorf("header %s is %v, want %v", name, l.Header[name], values)
				}
			}
			if got := f.handler.calls.Load(); got != test.calls {
				t.Errorf("%d calls, want %d", got, test.calls)
			}
		})
	}
}

func TestEventWithoutRoomToBeParkedIsADeadLetter(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, func(context.Context, *invoke.Call) (invoke.Outcome, error) {
		return invoke.Outcome{Kind: invoke.Retry, Reason: "busy"}, nil
	})
	f.start()
	h := ceHeader("1")
	h.Set("x-large", strings.Repeat("x", 61<<10))
	f.publish("events.hello", "bytes", h)
	f.awaitOutcomes("dead")
	f.awaitSettled()
	if l := f.letters(); len(l) != 1 || l[0].Reason != "too-large" || string(l[0].Data) != "bytes" ||
		len(l[0].Header["x-large"][0]) != 61<<10 {
		t.Fatalf("%d letters", len(l))
	}
}

func TestReplyThatNoStreamCanHoldFailsTheAttempt(t *testing.T) {
	t.Parallel()
	f := setup(t, func(s *function.Spec) { s.Reply = &function.Reply{Subject: "events.greeted"} },
		func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
			if c.Attempt < 2 {
				return invoke.Outcome{Reply: &event.Event{Data: make([]byte, 1<<20)}}, nil
			}
			return invoke.Outcome{Reply: &event.Event{Data: make([]byte, 1<<10)}}, nil
		})
	f.start()
	f.publish("events.hello", "", ceHeader("1"))
	f.awaitOutcomes("retry", "done")
	f.awaitSettled()
}

func TestFilterAcknowledgesWhatItDoesNotWant(t *testing.T) {
	t.Parallel()
	f := setup(t, func(s *function.Spec) { s.Triggers[0].Event.Filter = `event.type == "test.made" && data.n > 1` }, done)
	f.start()
	f.publish("events.hello", `{"n":1}`, ceHeader("1"))
	f.publish("events.hello", `{"n":2}`, ceHeader("2"))
	f.publish("events.hello", `not json`, ceHeader("3"))
	f.awaitSettled()
	waittest.Eventually(t, func() error {
		got := f.runs.outcomes()
		slices.Sort(got)
		if want := []string{"done", "filtered", "filtered"}; !slices.Equal(got, want) {
			return errors.New(cmp.Diff(want, got))
		}
		return nil
	})
	if n := f.handler.calls.Load(); n != 1 {
		t.Fatalf("%d calls, want 1", n)
	}
}

func TestReplyIsPublishedOnceWithTheTraceOfItsCause(t *testing.T) {
	t.Parallel()
	f := setup(t, func(s *function.Spec) { s.Reply = &function.Reply{Subject: "events.greeted"} },
		func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
			return invoke.Outcome{Reply: &event.Event{Data: []byte("hi " + c.Event.ID), DataContentType: "text/plain"}}, nil
		})
	f.start()
	h := ceHeader("1")
	h.Set("ce-traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.publish("events.hello", "", h)
	f.publish("events.hello", "", h) // the same event, stored twice: its reply is stored once
	f.awaitOutcomes("done", "done")
	s, err := f.js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 3 {
		t.Fatalf("%d messages in EVENTS, want the two events and one reply", n)
	}
	m, err := s.GetLastMsgForSubject(t.Context(), "events.greeted")
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Decode(&event.Message{Subject: m.Subject, Header: m.Header, Data: m.Data})
	if err != nil {
		t.Fatal(err)
	}
	trace, _ := e.Extension("traceparent")
	if string(e.Data) != "hi 1" || e.ID == "" || e.Source == "" || e.Type != "events.greeted" ||
		trace != h.Get("ce-traceparent") {
		t.Fatalf("reply is %+v", e)
	}
}

func TestCrashLoopIsDecidedBeforeTheHandlerIsCalledAgain(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	f.cfg.MaxRedeliveries = 2
	f.publish("events.hello", "poison", ceHeader("1"))
	for range 3 { // three workers took it and died
		f.takeAndReturn()
	}
	f.start()
	f.awaitOutcomes("dead")
	f.awaitSettled()
	if l := f.letters(); len(l) != 1 || l[0].Reason != "crash-loop" || f.handler.calls.Load() != 0 {
		t.Fatalf("letters %+v, %d calls", l, f.handler.calls.Load())
	}
}
