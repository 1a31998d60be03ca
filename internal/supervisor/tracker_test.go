package supervisor

import (
	"testing"
	"time"
)

func TestTrackerBacksOff(t *testing.T) {
	t.Parallel()
	var tr tracker
	for i, want := range []time.Duration{0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000} {
		act, delay, reason := tr.ended(end{})
		if delay != want*time.Millisecond || (act == restartNow) != (want == 0) || reason == "" {
			t.Errorf("failure %d: %v, %v, %q, want %v", i+1, act, delay, reason, want*time.Millisecond)
		}
	}
	if _, delay, _ := tr.ended(end{ready: true, uptime: stableUptime}); delay != 0 {
		t.Errorf("after a stable run: %v", delay)
	}
	tr.ended(end{})
	tr.reset()
	if _, delay, _ := tr.ended(end{}); delay != 0 {
		t.Errorf("after a reset: %v", delay)
	}
}

// TestTrackerServingHandler is a handler that is killed every two seconds: it must be back within two, for ever.
func TestTrackerServingHandler(t *testing.T) {
	t.Parallel()
	var tr tracker
	for range 1000 {
		if _, delay, _ := tr.ended(end{ready: true, uptime: 2 * time.Second}); delay > time.Second {
			t.Fatalf("delay %v after %d failures", delay, tr.failures)
		}
	}
	// It does not get away with that once it stops getting ready.
	if _, delay, _ := tr.ended(end{uptime: 2 * time.Second}); delay != backoffMax {
		t.Fatalf("delay %v", delay)
	}
}
