package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestHandlerThatIsNotReadyBurnsNoAttempt(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		if c.Attempt != 1 {
			return invoke.Outcome{Kind: invoke.Reject, Reason: fmt.Sprintf("attempt %d", c.Attempt)}, nil
		}
		return invoke.Outcome{}, nil
	})
	r := f.start()
	<-r.Ready()
	f.handler.ready.Store(false)
	for i := range 5 {
		f.publish("events.hello", "", ceHeader(strconv.Itoa(i)))
	}
	waittest.Eventually(t, func() error {
		if !r.Paused() {
			return errors.New("not paused")
		}
		return nil
	})
	f.handler.ready.Store(true)
	f.awaitSettled()
	if n := f.handler.calls.Load(); n != 5 || len(f.letters()) != 0 {
		t.Fatalf("%d calls, %d dead letters, want 5 and none", n, len(f.letters()))
	}
}

func TestHandBacksAreNoCrashLoop(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	f := setup(t, func(s *function.Spec) { s.Concurrency = 1 },
		func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
			if calls.Add(1) <= 11 { // it listens and takes nothing
				return invoke.Outcome{}, fmt.Errorf("%w: cannot fork", invoke.ErrNotReady)
			}
			if c.Attempt != 1 {
				return invoke.Outcome{Kind: invoke.Reject, Reason: "an attempt was burned"}, nil
			}
			return invoke.Outcome{}, nil
		})
	f.cfg.MaxRedeliveries = 8
	f.start()
	f.publish("events.hello", "raw", nil)
	f.awaitSettled()
	if l := f.letters(); len(l) != 0 {
		t.Fatalf("dead letters: %+v", l)
	}
}

func TestReconnectsLeaveNothingAskedForTwice(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	f := setup(t, func(s *function.Spec) { s.Concurrency = 1 },
		func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return invoke.Outcome{}, nil
		})
	awaitAsked := f.watchRequests()
	r := f.start()
	<-r.Ready()
	awaitAsked()
	subscriptions := f.nc.NumSubscriptions()
	for range 6 {
		if err := f.nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		awaitAsked() // until then the request from before stands, and one more can come by it
		// A subscription that still drains would be made again on the next reconnect, and the client would forget it.
		waittest.Eventually(t, func() error {
			if n := f.nc.NumSubscriptions(); n != subscriptions {
				return fmt.Errorf("%d subscriptions, want %d: one still drains", n, subscriptions)
			}
			return nil
		})
	}
	for i := range 20 {
		f.publish("events.hello", "", ceHeader(strconv.Itoa(i)))
	}
	waittest.Eventually(t, func() error {
		c, err := f.js.Consumer(t.Context(), "EVENTS", stream.ConsumersOf(f.fn)[0].Name)
		if err != nil {
			return err
		}
		if i := c.CachedInfo(); i.NumAckPending != 1 || i.NumPending+uint64(i.NumRedelivered) < 19 {
			return fmt.Errorf("%d pending, %d unacknowledged: want 1 unacknowledged, as the handler takes one at a time",
				i.NumPending, i.NumAckPending)
		}
		return nil
	})
	close(release)
	f.awaitSettled()
}

// watchRequests returns a function that waits until the sidecar asks for events at an inbox that it has not used before.
func (f *fixture) watchRequests() (awaitAsked func()) {
	f.t.Helper()
	nc := f.srv.Conn(f.t)
	sub, err := nc.SubscribeSync("$JS.API.CONSUMER.MSG.NEXT.EVENTS.>")
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	seen := map[string]bool{}
	return func() {
		f.t.Helper()
		for {
			m, err := sub.NextMsg(waittest.Patience)
			if err != nil {
				f.t.Fatalf("wait for a request: %v", err)
			}
			inbox := m.Reply[:strings.LastIndex(m.Reply, ".")]
			if !seen[inbox] {
				seen[inbox] = true
				return
			}
		}
	}
}

func TestNothingIsAskedForBeforeTheHandlerIsReady(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	f.handler.ready.Store(false)
	f.start()
	f.publish("events.hello", "", ceHeader("1"))
	if m, err := f.take(20 * time.Second); err != nil {
		t.Fatalf("another worker is not given the event: %v", err)
	} else if err := m.Nak(); err != nil {
		t.Fatal(err)
	}
	f.handler.ready.Store(true)
	f.awaitOutcomes("done")
}

func TestOutcomeThatCannotBeRecordedIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, func(context.Context, *invoke.Call) (invoke.Outcome, error) {
		return invoke.Outcome{Kind: invoke.Reject, Reason: "never"}, nil
	})
	if err := f.js.DeleteStream(t.Context(), stream.DeadStream); err != nil {
		t.Fatal(err)
	}
	r := f.start()
	f.publish("events.hello", "keep me", ceHeader("1"))
	waittest.Eventually(t, func() error {
		if f.handler.calls.Load() == 0 {
			return errors.New("not called")
		}
		return nil
	})
	for range 10 {
		<-time.After(50 * time.Millisecond)
		if r.InFlight() != 1 {
			t.Fatalf("%d in flight, want the event that cannot be settled", r.InFlight())
		}
	}
	if _, err := stream.Ensure(t.Context(), f.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	f.awaitOutcomes("dead")
	f.awaitSettled()
	if l := f.letters(); len(l) != 1 || string(l[0].Data) != "keep me" {
		t.Fatalf("letters: %+v", l)
	}
}

func TestDeliveryGoesOnAfterAServerRestartAndARecreatedConsumer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	f := setup(t, nil, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		seen[c.Event.ID]++
		return invoke.Outcome{}, nil
	})
	await := func(id string) {
		t.Helper()
		waittest.Eventually(t, func() error {
			mu.Lock()
			defer mu.Unlock()
			if seen[id] == 0 {
				return fmt.Errorf("event %s is not delivered: %v", id, seen)
			}
			return nil
		})
	}
	f.start()
	f.publish("events.hello", "", ceHeader("1"))
	await("1")
	f.srv.Restart(t)
	waittest.Eventually(t, func() error {
		_, err := f.js.StreamNameBySubject(t.Context(), "events.hello")
		return err
	})
	f.publish("events.hello", "", ceHeader("2"))
	await("2")
	if err := f.js.DeleteConsumer(t.Context(), "EVENTS", stream.ConsumersOf(f.fn)[0].Name); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.EnsureFunction(t.Context(), f.js, f.fn); err != nil {
		t.Fatal(err)
	}
	f.publish("events.hello", "", ceHeader("3"))
	await("3")
}

// TestRefusalFollowsTheConsumer takes a consumer away while the sidecar waits at it, and brings it back without an event for
// it: the sidecar says so, and then no more.
func TestRefusalFollowsTheConsumer(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	consumer := stream.ConsumersOf(f.fn)[0]
	r := f.start()
	await := func(want string) {
		t.Helper()
		waittest.Eventually(t, func() error {
			if got := r.Refusal(); got != want {
				return fmt.Errorf("refusal %q, want %q", got, want)
			}
			return nil
		})
	}
	f.publish("events.hello", "", ceHeader("1"))
	f.awaitOutcomes("done")
	await("")
	if err := f.js.DeleteConsumer(t.Context(), consumer.Stream, consumer.Name); err != nil {
		t.Fatal(err)
	}
	await("consumer " + consumer.Name + " does not exist, or JetStream does not answer")
	if _, err := stream.EnsureFunction(t.Context(), f.js, f.fn); err != nil {
		t.Fatal(err)
	}
	await("")
	f.publish("events.hello", "", ceHeader("2"))
	f.awaitOutcomes("done", "done")
}

// TestRefusalOfAConsumerThatNeverWas starts a sidecar whose consumers have not been made.
func TestRefusalOfAConsumerThatNeverWas(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	if err := f.js.DeleteStream(t.Context(), stream.EventsStream); err != nil {
		t.Fatal(err)
	}
	r := f.start()
	waittest.Eventually(t, func() error {
		if got := r.Refusal(); !strings.Contains(got, stream.ConsumersOf(f.fn)[0].Name) {
			return fmt.Errorf("refusal %q", got)
		}
		return nil
	})
}
