package supervisor

import (
	"sync"
	"time"

	"github.com/pelton-dev/pelton/internal/ledger"
)

// load measures how busy a function's handlers are from its run records: a look at what is in flight now misses work that
// takes milliseconds. It stands between the sidecars and the recorder.
type load struct {
	next ledger.Recorder

	mu      sync.Mutex
	busy    time.Duration // inside handlers since the last sample
	runs    int
	lastRun time.Time
	sampled time.Time
	average int // calls at the same time, rounded up, as of the last sample
}

// Record counts a run, as far as it lies after the last sample, and passes it on.
func (l *load) Record(r ledger.Run) {
	l.mu.Lock()
	end := r.Started.Add(r.Duration)
	l.busy += max(0, min(r.Duration, end.Sub(l.sampled)))
	l.runs++
	if end.After(l.lastRun) {
		l.lastRun = end
	}
	l.mu.Unlock()
	l.next.Record(r)
}

// sample returns how many calls ran at the same time on average since the last sample, which is at least interval ago: what
// they took together, by the time that went by. Any run at all makes it 1.
func (l *load) sample(now time.Time, interval time.Duration) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	elapsed := now.Sub(l.sampled)
	if elapsed < interval {
		return l.average
	}
	l.average = int((l.busy + elapsed - 1) / elapsed)
	if l.runs > 0 {
		l.average = max(1, l.average)
	}
	l.busy, l.runs, l.sampled = 0, 0, now
	return l.average
}

// last returns when a run ended last; zero for never.
func (l *load) last() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastRun
}
