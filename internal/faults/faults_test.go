package faults_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/faults"
	"github.com/pelton-dev/pelton/internal/program"
)

func untilTerminated() context.Context { return program.UntilSignal(context.Background()) }

// newRun is a run in a folder whose path is short enough for sockets.
func newRun(t *testing.T, seed uint64) faults.Config {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a world of processes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs and ledgers are in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return faults.Config{Seed: seed, Self: self, Programs: programs, Dir: dir, Out: t.Output()}
}

func run(t *testing.T, cfg faults.Config) *faults.Verdict {
	t.Helper()
	v, err := faults.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := v.Print(&table); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	return v
}

// TestFaults hurts everything for twenty seconds. `task faults` does so for longer, each time with another seed.
func TestFaults(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	cfg.Duration, cfg.Every, cfg.Load = 20*time.Second, 2*time.Second, faults.DefaultLoad(50, 20*time.Second)
	v := run(t, cfg)
	if !v.Passed {
		t.Error("a promise was broken")
	}
	if n := v.Counts; len(v.Faults) < 5 || n.Accepted < 500 || n.HTTP < 100 || n.Replayed == 0 {
		t.Errorf("%d faults, %d events accepted, %d of them over HTTP, %d dead letters replayed: that proves little",
			len(v.Faults), n.Accepted, n.HTTP, n.Replayed)
	}
}

// TestBatches hurts everything while many events go in one call, and some of them fail, hang and are refused.
func TestBatches(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 2)
	cfg.Batch, cfg.Concurrency = 10, 4
	cfg.Duration, cfg.Every, cfg.Load = 20*time.Second, 2*time.Second, faults.DefaultLoad(100, 20*time.Second)
	v := run(t, cfg)
	if !v.Passed {
		t.Error("a promise was broken")
	}
	if len(v.Faults) < 5 || v.Counts.Accepted < 1000 {
		t.Errorf("%d faults, %d events accepted: that proves little", len(v.Faults), v.Counts.Accepted)
	}
}

// TestQuiet wants that nothing happens twice where nothing is hurt.
func TestQuiet(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	cfg.Duration, cfg.Load, cfg.Timeout = 10*time.Second, faults.DefaultLoad(50, 10*time.Second), 20*time.Second
	if v := run(t, cfg); !v.Passed || v.Counts.OK != cfg.Load.Events || v.Counts.Duplicates != 0 {
		t.Errorf("%+v", v.Counts)
	}
}

// TestConnections hurts every connection in every way, one after another: acknowledgements are lost on their way to publisher
// and bridge, and on their way from a sidecar, and what cannot be sent is not stored later.
func TestConnections(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	for _, target := range []string{"publisher", "bridge", "sidecar-0"} {
		for _, fault := range []faults.Fault{
			faults.FaultSlow, faults.FaultCut, faults.FaultHole, faults.FaultDeaf, faults.FaultMute,
		} {
			at := time.Duration(len(cfg.Plan)+1) * 1500 * time.Millisecond
			cfg.Plan = append(cfg.Plan, faults.Action{At: at, Target: target, Fault: fault, Pause: time.Second})
		}
	}
	cfg.Duration = 26 * time.Second
	cfg.Load = faults.DefaultLoad(40, cfg.Duration)
	v := run(t, cfg)
	if !v.Passed || len(v.Faults) != len(cfg.Plan) || v.Counts.Unsent == 0 {
		t.Errorf("a promise was broken, or %d of %d faults were done, or there was always a connection", len(v.Faults), len(cfg.Plan))
	}
}

// TestHost hurts `pelton up`, which keeps the replicas, and the server below it.
func TestHost(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	cfg.Host, cfg.Duration, cfg.Every = true, 15*time.Second, 2*time.Second
	cfg.Load = faults.DefaultLoad(40, cfg.Duration)
	if v := run(t, cfg); !v.Passed || len(v.Faults) < 4 {
		t.Errorf("a promise was broken, or %d faults prove little", len(v.Faults))
	}
}

// TestBugs is the gate: each planted bug is found, as what it is, and the same run without it finds nothing.
func TestBugs(t *testing.T) {
	t.Parallel()
	for _, bug := range faults.Bugs() {
		t.Run(bug.Name, func(t *testing.T) {
			t.Parallel()
			cfg := newRun(t, 1)
			cfg.Programs = plantedPrograms
			if v := run(t, bug.Apply(cfg)); v.Passed || !v.Has(bug.Finds) {
				t.Errorf("the bug was not found as %s", bug.Finds)
			}
		})
		t.Run(bug.Name+" mended", func(t *testing.T) {
			t.Parallel()
			cfg := newRun(t, 1)
			if v := run(t, bug.Without(cfg)); !v.Passed {
				t.Error("a promise was broken")
			}
		})
	}
}

// TestFrozenBeyondItsTime lets a sidecar go on when its events have long been given to the other one.
func TestFrozenBeyondItsTime(t *testing.T) {
	t.Parallel()
	cfg := newRun(t, 1)
	cfg.Duration, cfg.Load, cfg.Timeout = 5*time.Second, faults.DefaultLoad(50, 5*time.Second), time.Minute
	cfg.Load.Shares = []faults.Share{{Kind: faults.KindWork, Weight: 1, Work: 2 * time.Second}}
	cfg.Plan = []faults.Action{{At: time.Second, Target: "sidecar-0", Fault: faults.FaultFreeze, Pause: 36 * time.Second}}
	v := run(t, cfg)
	if !v.Passed || v.Counts.Duplicates > v.InFlight {
		t.Errorf("a promise was broken, or %d duplicates, of %d that it held", v.Counts.Duplicates, v.InFlight)
	}
}

// TestMoments kills sidecars from inside, where a signal hardly ever hits: what was recorded must not be recorded twice.
func TestMoments(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{faults.DiesAfterHandler, faults.DiesAfterRecord} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			cfg := newRun(t, 1)
			cfg.Programs, cfg.Dies = plantedPrograms, moment
			cfg.Duration, cfg.Load = 6*time.Second, faults.DefaultLoad(40, 6*time.Second)
			if v := run(t, cfg); !v.Passed || v.Died == 0 {
				t.Errorf("a promise was broken, or nothing died: %d", v.Died)
			}
		})
	}
}

// TestBuildsWithBugsAreApart makes sure that no bug is in what people run.
func TestBuildsWithBugsAreApart(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds programs")
	}
	for path, want := range map[string]bool{
		programs.Sidecar: false, programs.Bridge: false, programs.Pelton: false,
		plantedPrograms.Sidecar: true, plantedPrograms.Bridge: true, plantedPrograms.Pelton: true,
	} {
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if has := bytes.Contains(program, []byte("PELTON_PLANTED")); has != want {
			t.Errorf("%s has bugs: %t, want %t", path, has, want)
		}
	}
}
