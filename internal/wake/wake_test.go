package wake_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/wake"
)

type fixture struct {
	srv     *natstest.Server
	js      jetstream.JetStream
	watcher *wake.Watcher
	changed chan struct{}
	key     function.Key
	cons    []stream.Consumer
}

func setup(t *testing.T, cfg wake.Config) *fixture {
	t.Helper()
	f := &fixture{srv: natstest.Start(t), changed: make(chan struct{}, 1000)}
	f.js = f.srv.JetStream(t)
	ctx := t.Context()
	if _, err := stream.Ensure(ctx, f.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	fn := &function.Function{Metadata: function.Metadata{Namespace: "default", Name: "hello"}}
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{
		Stream:   stream.EventsStream,
		Subjects: []string{"events.hello"},
	}}}
	cons, err := stream.EnsureFunction(ctx, f.js, fn)
	if err != nil {
		t.Fatal(err)
	}
	f.key, f.cons = fn.Key(), cons
	if f.watcher, err = wake.New(f.srv.Conn(t), cfg); err != nil {
		t.Fatal(err)
	}
	f.watcher.Watch(f.key, cons, func() { f.changed <- struct{}{} })
	runCtx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.watcher.Run(runCtx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return f
}

func (f *fixture) publish(t *testing.T, subject string) {
	t.Helper()
	if _, err := f.js.Publish(t.Context(), subject, []byte("x")); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) awaitReading(t *testing.T, want string, ok func(wake.Reading) bool) wake.Reading {
	t.Helper()
	var r wake.Reading
	waittest.Eventually(t, func() error {
		if r = f.watcher.Reading(f.key); !ok(r) {
			return fmt.Errorf("reading is %+v, want %s", r, want)
		}
		return nil
	})
	return r
}

// take pulls one message the way a worker does.
func (f *fixture) take(t *testing.T, consumer int) jetstream.Msg {
	t.Helper()
	c, err := f.js.Consumer(t.Context(), f.cons[consumer].Stream, f.cons[consumer].Name)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(1, jetstream.FetchPrioritized(stream.WorkerPriority),
		jetstream.FetchPriorityGroup(stream.PriorityGroup), jetstream.FetchMaxWait(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	m := <-batch.Messages()
	if m == nil {
		t.Fatalf("no message: %v", batch.Error())
	}
	return m
}

func TestProbeFiresOnNewEventAndConsumesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond})
	f.awaitConsumerWaiting(t)
	f.publish(t, "events.hello")
	f.awaitReading(t, "one due", func(r wake.Reading) bool { return r.Due == 1 && r.Known })
	f.publish(t, "events.hello")
	f.awaitReading(t, "two due", func(r wake.Reading) bool { return r.Due == 2 })
	m := f.take(t, 0)
	meta, err := m.Metadata()
	if err != nil || meta.NumDelivered != 1 {
		t.Fatalf("delivered %d times (%v), want once: a probe must not count", meta.NumDelivered, err)
	}
	f.awaitReading(t, "one due, one in flight", func(r wake.Reading) bool { return r.Due == 1 && r.InFlight == 1 })
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.take(t, 0).DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.awaitReading(t, "nothing", func(r wake.Reading) bool { return r.Due == 0 && r.InFlight == 0 })
	f.awaitConsumerWaiting(t)
}

// awaitConsumerWaiting waits until a probe is parked on the event consumer.
func (f *fixture) awaitConsumerWaiting(t *testing.T) {
	t.Helper()
	waittest.Eventually(t, func() error {
		c, err := f.js.Consumer(t.Context(), f.cons[0].Stream, f.cons[0].Name)
		if err != nil {
			return err
		}
		if n := c.CachedInfo().NumWaiting; n != 1 {
			return fmt.Errorf("%d requests wait, want the probe", n)
		}
		return nil
	})
}

func TestProbeFiresForRedelivery(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond})
	f.publish(t, "events.hello")
	f.awaitReading(t, "one due", func(r wake.Reading) bool { return r.Due == 1 }) // or it is read only after the take
	m := f.take(t, 0)
	f.awaitReading(t, "nothing due", func(r wake.Reading) bool { return r.Due == 0 })
	if err := m.NakWithDelay(300 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	f.awaitReading(t, "one due again", func(r wake.Reading) bool { return r.Due == 1 || r.Again })
	// It stays due for as long as nobody takes it, although the server counts it as unacknowledged.
	for range 5 {
		<-time.After(30 * time.Millisecond)
		if r := f.watcher.Reading(f.key); !r.Again && r.Due != 1 {
			t.Fatalf("reading is %+v, want one due again", r)
		}
	}
	if err := f.take(t, 0).DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What is in flight is not read any more: who watches without AllWork sees the workers.
	f.awaitReading(t, "nothing due", func(r wake.Reading) bool { return r.Due == 0 && !r.Again })
}

func TestMissingConsumerIsToldAndHidesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond})
	f.awaitConsumerWaiting(t)
	if err := f.js.DeleteConsumer(t.Context(), stream.WorkStream, f.cons[1].Name); err != nil {
		t.Fatal(err)
	}
	f.awaitReading(t, "an error", func(r wake.Reading) bool { return errors.Is(r.Err, wake.ErrNoConsumer) })
	f.publish(t, "events.hello")
	f.awaitReading(t, "one due all the same", func(r wake.Reading) bool { return r.Due == 1 && r.Known })
	if err := f.take(t, 0).DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.awaitReading(t, "nothing due",
		func(r wake.Reading) bool { return r.Due == 0 && r.Known && errors.Is(r.Err, wake.ErrNoConsumer) })
	f.publish(t, "events.hello")
	f.awaitReading(t, "one due again", func(r wake.Reading) bool { return r.Due == 1 })
}

func TestProbeFiresWhenAParkedRetryFallsDue(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond})
	at := time.Now().Add(time.Second)
	m := nats.NewMsg("pelton.park.default.hello.EVENTS.1")
	m.Header.Set("Nats-Schedule", "@at "+at.UTC().Format(time.RFC3339Nano)) // the client's own option cuts to whole seconds
	m.Header.Set("Nats-Schedule-Target", "pelton.work.default.hello.retry")
	if _, err := f.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if r := f.watcher.Reading(f.key); r.Due != 0 && time.Now().Before(at) {
		t.Fatalf("reading is %+v before the retry is due", r)
	}
	f.awaitReading(t, "one due", func(r wake.Reading) bool { return r.Due == 1 })
	if early := time.Until(at); early > 0 {
		t.Fatalf("woke %v early", early)
	}
}

func TestProbesComeBackAfterAServerRestart(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond})
	f.awaitConsumerWaiting(t)
	f.srv.Restart(t)
	waittest.Eventually(t, func() error {
		_, err := f.js.Publish(t.Context(), "events.hello", nil)
		return err
	})
	f.awaitReading(t, "one due", func(r wake.Reading) bool { return r.Due >= 1 })
}

func TestUnwatchedFunctionIsForgotten(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond})
	f.awaitConsumerWaiting(t)
	f.watcher.Unwatch(f.key)
	f.publish(t, "events.hello")
	if r := f.watcher.Reading(f.key); r != (wake.Reading{}) {
		t.Fatalf("reading is %+v, want none", r)
	}
}
