package decision_test

import (
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/decision"
)

// TestSame tells answers apart by everything but their times and words.
func TestSame(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := decision.Decision{At: now, Last: now, Count: 1, Call: decision.Metrics, Due: 3, Target: 8, Wanted: 1, Reason: "3 due"}
	later := a
	later.At, later.Last, later.Count, later.Reason = now.Add(time.Second), now.Add(time.Second), 5, "just now"
	if !a.Same(&later) {
		t.Error("the same answer later is another one")
	}
	for name, change := range map[string]func(*decision.Decision){
		"call":   func(d *decision.Decision) { d.Call = decision.IsActive },
		"due":    func(d *decision.Decision) { d.Due++ },
		"target": func(d *decision.Decision) { d.Target++ },
		"error":  func(d *decision.Decision) { d.Error = "no" },
	} {
		other := a
		if change(&other); a.Same(&other) {
			t.Errorf("another %s is the same answer", name)
		}
	}
}
