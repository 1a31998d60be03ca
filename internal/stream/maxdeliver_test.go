package stream_test

import (
	"testing"

	"github.com/pelton-dev/pelton/internal/stream"
)

// TestLimitOfDeliveriesIsTakenBack: a consumer that somebody has given a limit drops events without a word, as soon as a
// sidecar has died of them often enough.
func TestLimitOfDeliveriesIsTakenBack(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	fn := newFunction("fn", on("events.a"))
	consumers, err := stream.EnsureFunction(t.Context(), js, fn)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range consumers {
		have, err := js.Consumer(t.Context(), c.Stream, c.Name)
		if err != nil {
			t.Fatal(err)
		}
		limited := have.CachedInfo().Config
		limited.MaxDeliver = 5
		if _, err := js.UpdateConsumer(t.Context(), c.Stream, limited); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.EnsureFunction(t.Context(), js, fn); err != nil {
		t.Fatal(err)
	}
	for _, c := range consumers {
		have, err := js.Consumer(t.Context(), c.Stream, c.Name)
		if err != nil || have.CachedInfo().Config.MaxDeliver != -1 {
			t.Errorf("consumer %s on %s: %+v, %v; want no limit of deliveries", c.Name, c.Stream, have.CachedInfo().Config, err)
		}
	}
}
