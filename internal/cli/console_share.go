package cli

import (
	"time"

	"github.com/pelton-dev/pelton/internal/ledger"
)

// share is what one function has shown in this second, and what of it was left out.
type share struct {
	started                time.Time
	output, runs, failures int
	left                   *tally // nil while all is shown
}

func (s *share) renew(now time.Time) {
	if now.Sub(s.started) >= consoleWindow {
		s.started, s.output, s.runs, s.failures = now, 0, 0, 0
	}
}

func (s *share) takesOutput() bool {
	s.output++
	return s.output <= outputASecond
}

func (s *share) takesRun(r ledger.Run) bool {
	if isFailure(r) {
		s.failures++
		return s.failures <= failuresASecond
	}
	s.runs++
	return s.runs <= runsASecond
}

func isFailure(r ledger.Run) bool {
	return r.Outcome == ledger.OutcomeRetry || r.Outcome == ledger.OutcomeDead || r.Outcome == ledger.OutcomeFailed
}

// tally sums up what one function did and what was not shown.
type tally struct {
	lines    int // of its handler, and what happened to it
	runs     int
	outcomes map[string]int
	reasons  map[string]int // of failures
	duration time.Duration
	slowest  time.Duration
}

func (t *tally) addRun(r ledger.Run) {
	if t.outcomes == nil {
		t.outcomes, t.reasons = map[string]int{}, map[string]int{}
	}
	t.runs++
	t.outcomes[r.Outcome]++
	if isFailure(r) && r.Reason != "" {
		t.reasons[r.Reason]++
	}
	t.duration += r.Duration
	t.slowest = max(t.slowest, r.Duration)
}

// mean is how long a run took on average.
func (t *tally) mean() time.Duration { return t.duration / time.Duration(max(1, t.runs)) }
