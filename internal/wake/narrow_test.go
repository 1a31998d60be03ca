package wake_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/wake"
)

// TestTurnedAwayProbeRests has a worker wait in the only place of a consumer. The server turns each probe away at once.
func TestTurnedAwayProbeRests(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{AllWork: true, DepthInterval: 20 * time.Millisecond})
	spy := f.srv.Conn(t)
	var asked atomic.Int64
	if _, err := spy.Subscribe("$JS.API.CONSUMER.MSG.NEXT.EVENTS.narrow", func(*nats.Msg) { asked.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	c, err := f.js.CreateConsumer(t.Context(), "EVENTS", jetstream.ConsumerConfig{
		Durable: "narrow", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "events.narrow", MaxWaiting: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	worker, err := c.Fetch(1, jetstream.FetchMaxWait(3*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error { // the worker has the place before the probe asks for it
		info, err := c.Info(t.Context())
		if err == nil && info.NumWaiting != 1 {
			err = fmt.Errorf("%d requests wait", info.NumWaiting)
		}
		return err
	})
	f.key, f.cons = function.Key{Namespace: "default", Name: "narrow"}, []stream.Consumer{{Stream: "EVENTS", Name: "narrow"}}
	f.watcher.Watch(f.key, f.cons, nil)
	for range worker.Messages() {
		t.Fatal("a message from nowhere")
	}
	if n := asked.Load(); n < 2 || n > 4 { // the worker, the first probe, and one after a rest
		t.Errorf("%d requests in 3 s, want the worker's and a probe now and then", n)
	}
	if r := f.watcher.Reading(f.key); r.Err != nil || !r.Known {
		t.Errorf("reading is %+v, want one: only the probe was turned away", r)
	}
	f.publish(t, "events.narrow") // the place is free now: the probe gets it
	f.awaitReading(t, "one due", func(r wake.Reading) bool { return r.Due == 1 })
}
