package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
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
	full := make(chan struct{}) // closed when three calls run; no call ends before
	var once sync.Once
	var f *fixture
	f = setup(t, func(s *function.Spec) { s.Concurrency = 3 },
		func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
			if f.handler.running.Load() >= 3 {
				once.Do(func() { close(full) })
			}
			select {
			case <-full:
				<-time.After(20 * time.Millisecond) // for a fourth, if there were one
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
	f := setup(t, func(s *function.Spec) { s.Concurrency = 2 },
		func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
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

func TestSlowHandlerIsKeptAliveBeyondAckWait(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
		select {
		case <-time.After(13 * time.Second):
		case <-ctx.Done():
		}
		return invoke.Outcome{}, nil
	})
	f.shortenAckWait(6 * time.Second) // a busy machine may be late with a heartbeat, which comes every 2 s
	f.start()
	f.publish("events.hello", "", ceHeader("1"))
	f.awaitOutcomes("done")
	f.awaitSettled()
	if n := f.handler.calls.Load(); n != 1 {
		t.Fatalf("%d calls, want 1", n)
	}
}

func (f *fixture) shortenAckWait(d time.Duration) {
	t := f.t
	t.Helper()
	f.cfg.AckWait = d
	s, err := f.js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Consumer(t.Context(), stream.ConsumersOf(f.fn)[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.CachedInfo().Config
	cfg.AckWait = f.cfg.AckWait
	if _, err := s.UpdateConsumer(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
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
