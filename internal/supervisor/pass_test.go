package supervisor

import (
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/wake"
)

func TestDueOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reading wake.Reading
		busy    int
		want    int
	}{
		"nothing":                        {wake.Reading{}, 0, 0},
		"pending":                        {wake.Reading{Due: 3, InFlight: 2}, 2, 3},
		"all in work":                    {wake.Reading{InFlight: 2, Again: true}, 2, 0},
		"one due again":                  {wake.Reading{InFlight: 3, Again: true}, 2, 1},
		"due again at zero":              {wake.Reading{InFlight: 1, Again: true}, 0, 1},
		"in flight elsewhere or waiting": {wake.Reading{InFlight: 5}, 0, 0},
		"done since the reading":         {wake.Reading{InFlight: 3}, 1, 0},
		"taken since the reading":        {wake.Reading{Due: 3, InFlight: 1}, 3, 1},
		"all taken since the reading":    {wake.Reading{Due: 1}, 2, 0},
	} {
		if got := dueOf(c.reading, c.busy); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestOneSlowEventStartsOneReplica has one event that takes all slots for a while: nothing else is due.
func TestOneSlowEventStartsOneReplica(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, makeFunction(t, "slow", "serve", func(s *function.Spec) {
		s.Concurrency, s.Scale.MaxReplicas = 1, 4
		s.Timeout, s.Retry.MaxAttempts = function.Duration(4*time.Second), 1
	}))
	r.publish("slow", "hang")
	r.await("slow", "in work", func(s Status) bool { return s.InFlight == 1 && s.Due == 0 })
	waittest.Eventually(t, func() error {
		if s := r.statusOf("slow"); s.InFlight == 1 && s.Due > 0 {
			t.Errorf("status %+v", s)
		}
		return r.outcome("slow", ledger.OutcomeDead, 1)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == EventScaled && e.Wanted > 1 || e.Replica != "" && e.Replica != "slow-1" {
			t.Errorf("event %+v", e)
		}
	}
}
