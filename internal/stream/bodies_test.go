package stream_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

// TestBodiesHaveABound where nobody has said how large the store is: it is lower on a server that has less to set aside, and stays what
// somebody has made of it.
func TestBodiesHaveABound(t *testing.T) {
	t.Parallel()
	for store, want := range map[int64]int64{6 << 30: 4 << 30, 2 << 30: 1 << 30, 600 << 20: 256 << 20} {
		js := natstest.Start(t, func(o *server.Options) { o.JetStreamMaxStore = store }).JetStream(t)
		bound := func() int64 {
			t.Helper()
			if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
				t.Fatal(err)
			}
			s, err := js.Stream(t.Context(), stream.BodiesStream)
			if err != nil {
				t.Fatal(err)
			}
			return s.CachedInfo().Config.MaxBytes
		}
		for _, when := range []string{"new", "again"} {
			if got := bound(); got != want {
				t.Errorf("of a store of %d bytes, %s: %d, want %d", store, when, got, want)
			}
		}
		change := func(most int64) {
			t.Helper()
			s, err := js.Stream(t.Context(), stream.BodiesStream)
			if err != nil {
				t.Fatal(err)
			}
			cfg := s.CachedInfo().Config
			cfg.MaxBytes = most
			if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
		}
		change(-1) // as an earlier version has made it
		if got := bound(); got != want {
			t.Errorf("of a store of %d bytes, that had none: %d, want %d", store, got, want)
		}
		change(100 << 20)
		if got := bound(); got != 100<<20 {
			t.Errorf("what somebody has chosen is %d now", got)
		}
	}
}
