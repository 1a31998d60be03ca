package faults_test

import (
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/faults"
)

// TestShortPartition cuts a sidecar off for five seconds, without a word, when the first signs of life of its calls are due: each has as
// many as it can. They come late, and in time: nothing is given to the other one.
func TestShortPartition(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	cfg.Duration, cfg.Timeout = time.Second, 2*time.Minute
	cfg.Load = faults.Load{Rate: 20, Events: 16, Shares: []faults.Share{
		{Kind: faults.KindWork, Weight: 1, Work: 36 * time.Second, Exact: true},
	}}
	cfg.Plan = []faults.Action{{At: 8 * time.Second, Target: "sidecar-0", Fault: faults.FaultHole, Pause: 5 * time.Second}}
	if v := run(t, cfg); !v.Passed || v.Counts.Calls != cfg.Load.Events {
		t.Errorf("a promise was broken, or %d calls of %d events: some were given twice", v.Counts.Calls, cfg.Load.Events)
	}
}

// TestLongPartition cuts a sidecar off for longer than the server waits: its events are given to the other one, and at most what it
// held is done twice. What it has to say when it is back comes too late, and does no harm.
func TestLongPartition(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	cfg.Duration, cfg.Timeout = 5*time.Second, time.Minute
	cfg.Load = faults.Load{Rate: 20, Events: 100, Shares: []faults.Share{{Kind: faults.KindWork, Weight: 1, Work: 2 * time.Second}}}
	cfg.Plan = []faults.Action{{At: time.Second, Target: "sidecar-0", Fault: faults.FaultHole, Pause: 45 * time.Second}}
	v := run(t, cfg)
	if !v.Passed || v.Counts.Duplicates > v.InFlight {
		t.Errorf("a promise was broken, or %d duplicates, of %d that it held", v.Counts.Duplicates, v.InFlight)
	}
	if v.Counts.Calls <= cfg.Load.Events {
		t.Errorf("%d calls of %d events: nothing was given to the other one, which proves nothing", v.Counts.Calls, cfg.Load.Events)
	}
}

// TestPoorConnections gives everybody a connection of 64 kbit/s that takes half a second there and back, and breaks every seven
// seconds. It is slow, and nothing else.
func TestPoorConnections(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	cfg.Duration = 18 * time.Second
	cfg.Load = faults.DefaultLoad(12, cfg.Duration)
	for _, target := range []string{"publisher", "bridge", "sidecar-0", "sidecar-1"} {
		cfg.Plan = append(cfg.Plan, faults.Action{At: time.Second, Target: target, Fault: faults.FaultPoor, Pause: 16 * time.Second})
	}
	v := run(t, cfg)
	if !v.Passed || len(v.Faults) != len(cfg.Plan) || v.Counts.Accepted < cfg.Load.Events/2 {
		t.Errorf("a promise was broken, or %d events accepted of %d prove little", v.Counts.Accepted, cfg.Load.Events)
	}
}
