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

// TestFirstReadingIsNeverAWrongZero begins to watch right after an event was stored, while the server is busy with others. It
// answers a publisher before it counts the event for its consumers, so that a reading may come too early.
func TestFirstReadingIsNeverAWrongZero(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond, AllWork: true})
	const rounds = 100
	for i := range rounds {
		name := fmt.Sprint("first", i)
		if _, err := f.js.CreateConsumer(t.Context(), stream.EventsStream, jetstream.ConsumerConfig{
			Durable: name, AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "events." + name,
		}); err != nil {
			t.Fatal(err)
		}
	}
	busy := f.srv.Conn(t)
	var wrong atomic.Int64
	for i := range rounds {
		name := fmt.Sprint("first", i)
		for range 300 {
			if err := busy.Publish("events.noise", []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		reply, err := busy.RequestMsg(nats.NewMsg("events."+name), waittest.Patience)
		if err != nil {
			t.Fatalf("publish: %v %v", reply, err)
		}
		key := function.Key{Namespace: "default", Name: name}
		f.watcher.Watch(key, []stream.Consumer{{Stream: stream.EventsStream, Name: name}}, func() {
			if r := f.watcher.Reading(key); r.Known && r.Due == 0 {
				wrong.Add(1)
			}
		})
		f.key = key
		f.awaitReading(t, "one due", func(r wake.Reading) bool { return r.Known && r.Due == 1 })
	}
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d of %d first readings said that nothing is due", n, rounds)
	}
}
