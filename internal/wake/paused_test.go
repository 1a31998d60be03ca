package wake_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/wake"
)

// TestPausedConsumerHasNothingDue has two events wait behind a pause, which ends by itself.
func TestPausedConsumerHasNothingDue(t *testing.T) {
	t.Parallel()
	f := setup(t, wake.Config{AllWork: true, DepthInterval: 20 * time.Millisecond})
	f.publish(t, "events.paused")
	until := time.Now().Add(2 * time.Second)
	f.watch(t, "paused", func(c *jetstream.ConsumerConfig) {
		c.PauseUntil, c.DeliverPolicy = &until, jetstream.DeliverAllPolicy
	})
	f.publish(t, "events.paused")
	f.awaitReading(t, "known", func(r wake.Reading) bool { return r.Known })
	if r := f.watcher.Reading(f.key); r.Due != 0 && time.Now().Before(until) {
		t.Errorf("paused: %+v, want nothing due", r)
	}
	f.awaitReading(t, "two due after the pause", func(r wake.Reading) bool { return r.Due == 2 && !time.Now().Before(until) })
}
