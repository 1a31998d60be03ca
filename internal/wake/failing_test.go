package wake_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/wake"
)

// TestPushConsumerIsTold watches a consumer that nobody can pull from.
func TestPushConsumerIsTold(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond, AllWork: true})
	if _, err := f.js.CreatePushConsumer(t.Context(), stream.EventsStream, jetstream.ConsumerConfig{
		Durable: "pushed", AckPolicy: jetstream.AckExplicitPolicy, DeliverSubject: "somewhere",
	}); err != nil {
		t.Fatal(err)
	}
	f.key = function.Key{Namespace: "default", Name: "pushed"}
	f.cons = []stream.Consumer{{Stream: stream.EventsStream, Name: "pushed"}}
	f.watcher.Watch(f.key, f.cons, nil)
	f.awaitReading(t, "an error that says so", func(r wake.Reading) bool {
		return r.Err != nil && strings.Contains(r.Err.Error(), "not a pull consumer: pushed on stream EVENTS")
	})
}

// TestSilentConsumersHoldUpNobody watches many consumers that no server answers for beside a good one.
func TestSilentConsumersHoldUpNobody(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{DepthInterval: 20 * time.Millisecond, AllWork: true})
	silent := f.srv.Conn(t)
	if _, err := silent.SubscribeSync("$JS.API.CONSUMER.INFO.SILENT.*"); err != nil { // takes the question and says nothing
		t.Fatal(err)
	}
	if err := silent.Flush(); err != nil {
		t.Fatal(err)
	}
	var keys []function.Key
	for i := range 40 {
		key := function.Key{Namespace: "silent", Name: fmt.Sprint("f", i)}
		keys = append(keys, key)
		f.watcher.Watch(key, []stream.Consumer{{Stream: "SILENT", Name: key.Name}}, nil)
	}
	waittest.Eventually(t, func() error {
		for _, key := range keys {
			if r := f.watcher.Reading(key); r.Err == nil {
				return fmt.Errorf("%s: %+v, want an error", key, r)
			}
		}
		return nil
	})
	// From here on all of them fail and only few places are theirs: a good one is read while they wait for answers.
	for n := range 5 {
		f.publish(t, "events.hello")
		f.awaitReading(t, fmt.Sprint(n+1, " due"), func(r wake.Reading) bool { return r.Due == uint64(n+1) })
	}
}
