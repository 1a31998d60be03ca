package sidecar_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestSameEventAfterItsWindow sends one event again and again to a stream that knows what it has for a moment only. Within it, it is
// the same event; afterwards it is a new one, and the handler can tell by source and id.
func TestSameEventAfterItsWindow(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	f := setup(t, nil, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%s of %s, attempt %d", c.Event.ID, c.Event.Source, c.Attempt))
		return invoke.Outcome{}, nil
	})
	events, err := f.js.Stream(t.Context(), stream.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := events.CachedInfo().Config
	cfg.Duplicates = 300 * time.Millisecond
	if _, err := f.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	f.start()
	m := msg(1)
	m.Header.Set(nats.MsgIdHdr, event.MessageID("/test", "1"))
	first, err := f.js.PublishMsg(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		again, err := f.js.PublishMsg(t.Context(), m)
		if err == nil && again.Duplicate {
			err = fmt.Errorf("it is still known as message %d", again.Sequence)
		}
		if err == nil && again.Sequence != first.Sequence+1 {
			t.Errorf("the first was message %d, the next one is %d: more were stored than were told of", first.Sequence, again.Sequence)
		}
		return err
	})
	f.awaitOutcomes("done", "done")
	f.awaitSettled()
	mu.Lock()
	defer mu.Unlock()
	if d := cmp.Diff([]string{"1 of /test, attempt 1", "1 of /test, attempt 1"}, seen); d != "" {
		t.Error(d)
	}
}
