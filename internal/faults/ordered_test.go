package faults_test

import (
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/faults"
)

// TestOrder hurts replicas of a function with an order, and the server.
func TestOrder(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	cfg.Ordered, cfg.Duration, cfg.Every = true, 40*time.Second, 3*time.Second
	cfg.Load = faults.OrderedLoad(50, cfg.Duration)
	if v := run(t, cfg); !v.Passed || v.Counts.Accepted < 1000 || len(v.Faults) < 5 {
		t.Errorf("a promise was broken, or %d events and %d faults prove little", v.Counts.Accepted, len(v.Faults))
	}
}

// TestOrderBeyondTheLease stops the sidecars one after the other, longer than a lease lasts: whichever leads, another does when it
// wakes up.
func TestOrderBeyondTheLease(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	cfg.Ordered, cfg.Duration = true, 40*time.Second
	cfg.Load = faults.OrderedLoad(50, cfg.Duration)
	cfg.Plan = []faults.Action{
		{At: 2 * time.Second, Target: "sidecar-0", Fault: faults.FaultFreeze, Pause: 15 * time.Second},
		{At: 20 * time.Second, Target: "sidecar-1", Fault: faults.FaultFreeze, Pause: 15 * time.Second},
	}
	if v := run(t, cfg); !v.Passed {
		t.Error("a promise was broken")
	}
}
