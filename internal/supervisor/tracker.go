package supervisor

import (
	"fmt"
	"time"
)

// The restart back-off: none after the first failure, then doubling.
const (
	backoffStart = 100 * time.Millisecond
	backoffMax   = 30 * time.Second

	// backoffMaxServing bounds it for handlers that had been ready: what they fail at are events, which have attempts of
	// their own, and a crash must not keep the others waiting.
	backoffMaxServing = time.Second

	// stableUptime clears the record of a handler that got ready.
	stableUptime = 10 * time.Second
)

// action is what to do about a replica that ended by itself.
type action uint8

const (
	restartNow   action = iota // at once
	restartLater               // after the delay
)

// end is how a replica came to its end.
type end struct {
	ready  bool          // it had accepted calls
	uptime time.Duration // of its process
}

// tracker decides about restarts. It knows no clock and no process.
type tracker struct {
	failures int // in a row
}

// ended answers what to do about a replica that ended by itself: when to start another and why then.
func (t *tracker) ended(e end) (action, time.Duration, string) {
	if e.ready && e.uptime >= stableUptime {
		t.failures = 0
	}
	t.failures++
	delay := t.delay(e.ready)
	if delay == 0 {
		return restartNow, 0, "first failure: restarted at once"
	}
	return restartLater, delay, fmt.Sprintf("%d failures in a row: the next start waits %v", t.failures, delay)
}

// delay is the wait after that many failures.
func (t *tracker) delay(served bool) time.Duration {
	if t.failures <= 1 {
		return 0
	}
	limit := backoffMax
	if served {
		limit = backoffMaxServing
	}
	delay := backoffStart
	for range t.failures - 2 {
		if delay *= 2; delay >= limit {
			return limit
		}
	}
	return min(delay, limit)
}

// reset forgets all failures: the handler is another one now.
func (t *tracker) reset() { t.failures = 0 }
