package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// take pulls one message of the event consumer the way another worker would.
func (f *fixture) take(wait time.Duration) (jetstream.Msg, error) {
	f.t.Helper()
	c, err := f.js.Consumer(f.t.Context(), "EVENTS", stream.ConsumersOf(f.fn)[0].Name)
	if err != nil {
		f.t.Fatal(err)
	}
	batch, err := c.Fetch(1, jetstream.FetchPriorityGroup(stream.PriorityGroup), jetstream.FetchMaxWait(wait))
	if err != nil {
		return nil, err
	}
	if m := <-batch.Messages(); m != nil {
		return m, nil
	}
	return nil, errors.New("no message")
}

func (f *fixture) takeAndReturn() {
	f.t.Helper()
	m, err := f.take(10 * time.Second)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := m.Nak(); err != nil {
		f.t.Fatal(err)
	}
}

func TestConcurrencyHoldsOverBothConsumers(t *testing.T) {
	t.Parallel()
	f := setup(t, func(s *function.Spec) { s.Concurrency = 3 },
		func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
			return invoke.Outcome{}, nil
		})
	for i := range 20 {
		f.publish("events.hello", "", ceHeader(strconv.Itoa(i)))
		f.publish("pelton.work.default.hello.direct", "", ceHeader("w"+strconv.Itoa(i)))
	}
	f.start()
	f.awaitSettled()
	if most := f.handler.most.Load(); most != 3 {
		t.Fatalf("at most %d calls at once, want 3", most)
	}
	if n := f.handler.calls.Load(); n != 40 {
		t.Fatalf("%d calls, want 40", n)
	}
}

func TestWhatWaitsBehindBusySlotsGoesBack(t *testing.T) {
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
	f.start()
	f.publish("pelton.work.default.hello.direct", "", ceHeader("w"))
	waittest.Eventually(t, func() error {
		if f.handler.calls.Load() == 0 {
			return errors.New("not called")
		}
		return nil
	})
	f.publish("events.hello", "", ceHeader("1")) // the sidecar had asked for it before it was busy
	m, err := f.take(20 * time.Second)
	if err != nil {
		t.Fatalf("another worker is not given the event: %v", err)
	}
	if err := m.Ack(); err != nil {
		t.Fatal(err)
	}
	close(release)
	f.awaitSettled()
}

func TestBusySidecarTakesBackWhatItHasAskedFor(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	f := setup(t, func(s *function.Spec) { s.Concurrency = 2 }, func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return invoke.Outcome{}, nil
	})
	f.start()
	for i := range 2 {
		f.publish("pelton.work.default.hello.direct", "", ceHeader(strconv.Itoa(i)))
	}
	// Only then do events come, one after another: the first may still be given to the busy sidecar, and comes back once.
	waittest.Eventually(t, func() error {
		if n := f.handler.running.Load(); n != 2 {
			return fmt.Errorf("%d running", n)
		}
		return nil
	})
	f.publish("events.hello", "", ceHeader("first"))
	m, err := f.take(20 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.publish("events.hello", "", ceHeader("second"))
	if m, err = f.take(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	if meta, err := m.Metadata(); err != nil || meta.NumDelivered != 1 {
		t.Fatalf("delivered %d times (%v), want once: nothing may be asked for while every slot is busy", meta.NumDelivered, err)
	}
	if err := m.Ack(); err != nil {
		t.Fatal(err)
	}
	close(release)
	f.awaitSettled()
}

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
	f := setup(t, func(s *function.Spec) { s.Concurrency = 1 }, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
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
	f := setup(t, func(s *function.Spec) { s.Concurrency = 1 }, func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return invoke.Outcome{}, nil
	})
	r := f.start()
	<-r.Ready()
	for range 6 {
		if err := f.nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		waittest.Eventually(t, func() error { return f.nc.FlushTimeout(time.Second) })
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
			return fmt.Errorf("%d pending, %d unacknowledged: want 1 unacknowledged, as the handler takes one at a time", i.NumPending, i.NumAckPending)
		}
		return nil
	})
	close(release)
	f.awaitSettled()
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

func TestCutEndsADrain(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 1)
	f := setup(t, nil, func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeCanceled, Err: ctx.Err()}
	})
	f.cfg.DrainTimeout = time.Hour
	r := f.start()
	f.publish("events.hello", "", ceHeader("1"))
	<-entered
	r.cancel()
	r.Cut()
	r.stop(t)
	f.awaitOutcomes("returned")
}

func TestSlowHandlerIsKeptAliveBeyondAckWait(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
		select {
		case <-time.After(7 * time.Second):
		case <-ctx.Done():
		}
		return invoke.Outcome{}, nil
	})
	f.cfg.AckWait = 3 * time.Second
	s, err := f.js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Consumer(t.Context(), stream.ConsumersOf(f.fn)[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.CachedInfo().Config
	cfg.AckWait = 3 * time.Second
	if _, err := s.UpdateConsumer(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	f.start()
	f.publish("events.hello", "", ceHeader("1"))
	f.awaitOutcomes("done")
	f.awaitSettled()
	if n := f.handler.calls.Load(); n != 1 {
		t.Fatalf("%d calls, want 1", n)
	}
}

func TestDrainFinishesWhatRunsAndReturnsTheRest(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	release := make(chan struct{})
	f := setup(t, func(s *function.Spec) { s.Concurrency = 1 },
		func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
			entered <- struct{}{}
			select {
			case <-release:
				return invoke.Outcome{}, nil
			case <-ctx.Done():
				return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeCanceled, Err: ctx.Err()}
			}
		})
	r := f.start()
	f.publish("events.hello", "", ceHeader("1"))
	<-entered
	f.publish("events.hello", "", ceHeader("2"))
	r.cancel()
	m, err := f.take(20 * time.Second)
	if err != nil {
		t.Fatalf("the second event is not given to another: %v", err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(release)
	r.stop(t)
	f.awaitSettled()
	f.awaitOutcomes("done")
}

func TestDrainCutsWhatOutlivesItsTime(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	f := setup(t, nil, func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeCanceled, Err: ctx.Err()}
	})
	f.cfg.DrainTimeout = 200 * time.Millisecond
	r := f.start()
	f.publish("events.hello", "", ceHeader("1"))
	<-entered
	r.stop(t)
	m, err := f.take(20 * time.Second) // far less than AckWait
	if err != nil {
		t.Fatalf("the cut event is not given to another: %v", err)
	}
	if err := m.Ack(); err != nil {
		t.Fatal(err)
	}
	f.awaitOutcomes("returned")
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

func TestNoStallAtAnyConcurrency(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 2, 4, 8, 16, 64} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(s *function.Spec) { s.Concurrency = concurrency }, done)
			const events = 2000
			for i := range events {
				if _, err := f.js.PublishMsgAsync(msg(i)); err != nil {
					t.Fatal(err)
				}
			}
			<-f.js.PublishAsyncComplete()
			f.start()
			f.awaitSettled()
			if n := f.handler.calls.Load(); n != events {
				t.Fatalf("%d calls, want %d", n, events)
			}
		})
	}
}
