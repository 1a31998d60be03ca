package sidecar_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// later puts a call into the function's queue whose outcome is asked for later.
func (f *fixture) later(data string) result.ID {
	f.t.Helper()
	id := result.ID{Namespace: "default", Function: "hello", Token: result.NewToken()}
	m := &nats.Msg{Subject: "pelton.work.default.hello.http", Header: ceHeader(id.Token), Data: []byte(data)}
	if err := (result.Call{Token: id.Token, Event: id.Token, Keep: 60}).Attach(m); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.js.PublishMsg(f.t.Context(), m); err != nil {
		f.t.Fatal(err)
	}
	return id
}

func (f *fixture) awaitResult(id result.ID, state result.State) (r result.Record) {
	f.t.Helper()
	waittest.Eventually(f.t, func() (err error) {
		if r, _, err = result.Read(f.t.Context(), f.nc, id); err == nil && r.State != state {
			err = fmt.Errorf("state %s at attempt %d, want %s", r.State, r.Attempts, state)
		}
		return err
	})
	return r
}

func echo(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
	return invoke.Outcome{Reply: &event.Event{Data: c.Event.Data, DataContentType: "text/plain"}}, nil
}

// TestResultBeforeAcknowledgement: while what a call came to cannot be stored, it is not acknowledged, and it is not made again.
func TestResultBeforeAcknowledgement(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, echo)
	if err := f.js.DeleteStream(t.Context(), stream.ResultStream); err != nil {
		t.Fatal(err)
	}
	f.start()
	id := f.later("hi")
	waittest.Eventually(t, func() error {
		c, err := f.js.Consumer(t.Context(), stream.WorkStream, "default_hello_work")
		if err != nil {
			return err
		}
		if i := c.CachedInfo(); f.handler.calls.Load() != 1 || f.handler.running.Load() != 0 || i.NumAckPending != 1 {
			return fmt.Errorf("%d calls, %d unacknowledged", f.handler.calls.Load(), i.NumAckPending)
		}
		return nil
	})
	if _, err := stream.Ensure(t.Context(), f.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	f.awaitSettled()
	r := f.awaitResult(id, result.Done)
	if r.Answer == nil || r.Answer.Status != 200 || string(r.Answer.Body) != "hi" || r.Attempts != 1 || f.handler.calls.Load() != 1 {
		t.Errorf("%+v after %d calls", r, f.handler.calls.Load())
	}
}

// TestResultsOfEveryKindOfFunction: of one with batches and of one with an order too, through retries and to a dead letter.
func TestResultsOfEveryKindOfFunction(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*function.Spec){
		"plain": nil,
		"order": func(s *function.Spec) { s.Ordering = &function.Ordering{Key: "event.subject"} },
		"batch": func(s *function.Spec) {
			s.Batch = &function.Batch{MaxEvents: 10, MaxWait: function.Duration(time.Millisecond)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			say := func(data []byte, attempt int) invoke.Outcome {
				if string(data) == "bad" || attempt < 2 {
					return invoke.Outcome{Kind: invoke.Retry, Reason: "busy"}
				}
				return invoke.Outcome{Reply: &event.Event{Data: data}}
			}
			f := setup(t, change, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
				return say(c.Event.Data, c.Attempt), nil
			})
			f.handler.batch = func(_ context.Context, b *invoke.Batch) (v invoke.Verdict, _ error) {
				for i := range b.Items {
					v.Each = append(v.Each, invoke.Result{Outcome: say(b.Items[i].Event.Data, b.Items[i].Attempt)})
				}
				return v, nil
			}
			f.start()
			good, bad := f.later(`"good"`), f.later("bad")
			if r := f.awaitResult(good, result.Done); r.Attempts != 2 || r.Answer == nil || string(r.Answer.Body) != `"good"` {
				t.Errorf("done: %+v", r)
			}
			if r := f.awaitResult(bad, result.Dead); r.Attempts != 3 || r.Answer != nil || r.Reason != "attempts" || r.Text != "retry: busy" {
				t.Errorf("dead: %+v", r)
			}
			f.awaitSettled()
			if letters := f.letters(); len(letters) != 1 || len(letters[0].Header[event.HeaderResult]) != 1 {
				t.Errorf("letters %+v, want one that says whose result it is", letters)
			}
		})
	}
}

// TestResultsAreOnlyOfCallsThatAskForThem: an event that anybody may publish names no result.
func TestResultsAreOnlyOfCallsThatAskForThem(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	f.start()
	for i, text := range []string{`{"token":"abcdefghijklmnopqrst"}`, "{", `{"token":"*"}`, ""} {
		h := ceHeader(fmt.Sprint(i))
		h[event.HeaderResult] = []string{text}
		f.publish("events.hello", "1", h)
	}
	h := ceHeader("broken")
	h[event.HeaderResult] = []string{`{"token":">"}`}
	f.publish("pelton.work.default.hello.http", "1", h)
	f.awaitSettled()
	s, err := f.js.Stream(t.Context(), stream.ResultStream)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(">")); err != nil || info.State.Msgs != 0 {
		t.Errorf("%+v, %v: want no result", info.State, err)
	}
}
