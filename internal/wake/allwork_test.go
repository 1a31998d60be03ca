package wake_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/wake"
)

// watch watches a consumer that is not one of ours.
func (f *fixture) watch(t *testing.T, name string, change func(*jetstream.ConsumerConfig)) {
	t.Helper()
	cfg := jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "events." + name}
	if change != nil {
		change(&cfg)
	}
	if _, err := f.js.CreateConsumer(t.Context(), stream.EventsStream, cfg); err != nil {
		t.Fatal(err)
	}
	f.key = function.Key{Namespace: "default", Name: name}
	f.cons = []stream.Consumer{{Stream: stream.EventsStream, Name: name}}
	f.watcher.Watch(f.key, f.cons, func() { f.changed <- struct{}{} })
}

// TestBacklogIsReadAtOnce watches a consumer that had work before anybody watched it.
func TestBacklogIsReadAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{})
	for range 3 {
		f.publish(t, "events.old")
	}
	f.watch(t, "old", func(c *jetstream.ConsumerConfig) { c.DeliverPolicy = jetstream.DeliverAllPolicy })
	f.awaitReading(t, "three due", func(r wake.Reading) bool { return r.Due == 3 && r.Known })
}

// TestAllWorkSeesWhatWaitingWorkersTake has workers wait before anything comes, which keeps other probes quiet.
func TestAllWorkSeesWhatWaitingWorkersTake(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond, AllWork: true})
	f.awaitConsumerWaiting(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := f.js.Consumer(ctx, f.cons[0].Stream, f.cons[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	worker := make(chan error, 1)
	go func() {
		for {
			batch, err := c.Fetch(1, jetstream.FetchPrioritized(stream.WorkerPriority),
				jetstream.FetchPriorityGroup(stream.PriorityGroup), jetstream.FetchContext(ctx))
			if ctx.Err() != nil {
				worker <- nil
				return
			}
			if err != nil {
				worker <- err
				return
			}
			for m := range batch.Messages() {
				<-release
				_ = m.Ack()
			}
		}
	}()
	for range 3 {
		f.publish(t, "events.hello")
	}
	f.awaitReading(t, "work in flight", func(r wake.Reading) bool { return r.InFlight > 0 && r.Delivered > 0 })
	close(release)
	f.awaitReading(t, "nothing in flight",
		func(r wake.Reading) bool { return r.InFlight == 0 && r.Due == 0 && r.Delivered == 3 })
	f.awaitReading(t, "work that came later", func(r wake.Reading) bool {
		f.publish(t, "events.hello") // one that is taken just before the probe is parked is not seen, the next one is
		return r.Delivered > 3
	})
	cancel()
	if err := <-worker; err != nil {
		t.Error(err)
	}
}

// TestForeignConsumers are consumers that somebody else made: without a priority group, with another one, and with limits
// that rule a probe out.
func TestForeignConsumers(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*jetstream.ConsumerConfig){
		"plain": nil,
		"other group": func(c *jetstream.ConsumerConfig) {
			c.PriorityPolicy, c.PriorityGroups = jetstream.PriorityPolicyOverflow, []string{"theirs"}
		},
		"short requests": func(c *jetstream.ConsumerConfig) { c.MaxRequestExpires = time.Second },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond, PollInterval: 50 * time.Millisecond, AllWork: true})
			f.watch(t, "theirs", change)
			f.awaitReading(t, "nothing due", func(r wake.Reading) bool { return r.Known && r.Due == 0 && r.Err == nil })
			f.publish(t, "events.theirs")
			f.awaitReading(t, "one due", func(r wake.Reading) bool { return r.Due == 1 && r.Err == nil })
			if r := f.watcher.Reading(f.key); r.Delivered != 0 {
				t.Errorf("reading is %+v: watching has taken a message", r)
			}
		})
	}
}

// TestConsumerThatComesLater does not exist when watching begins.
func TestConsumerThatComesLater(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond, AllWork: true})
	f.key = function.Key{Namespace: "default", Name: "later"}
	f.cons = []stream.Consumer{{Stream: stream.EventsStream, Name: "later"}}
	f.watcher.Watch(f.key, f.cons, nil)
	f.awaitReading(t, "an error", func(r wake.Reading) bool { return errors.Is(r.Err, wake.ErrNoConsumer) })
	if _, err := f.js.CreateConsumer(t.Context(), stream.EventsStream, jetstream.ConsumerConfig{
		Durable: "later", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "events.later",
	}); err != nil {
		t.Fatal(err)
	}
	f.awaitReading(t, "no error", func(r wake.Reading) bool { return r.Err == nil && r.Known })
	f.publish(t, "events.later")
	f.awaitReading(t, "one due", func(r wake.Reading) bool { return r.Due == 1 })
}
