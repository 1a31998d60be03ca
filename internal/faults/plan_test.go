package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPlanIsOfItsSeed: a run can be had again.
func TestPlanIsOfItsSeed(t *testing.T) {
	t.Parallel()
	const long = 10 * time.Minute
	plan := NewPlan(7, long, time.Second)
	if diff := cmp.Diff(plan, NewPlan(7, long, time.Second)); diff != "" {
		t.Errorf("the same seed makes another plan:\n%s", diff)
	}
	if cmp.Equal(plan, NewPlan(8, long, time.Second)) {
		t.Error("another seed makes the same plan")
	}
	if NewPlan(7, long, 0) != nil {
		t.Error("faults in a plan without")
	}
	seen := map[string]bool{}
	free := map[string]time.Duration{}
	for _, a := range plan {
		seen[string(a.Fault)+" "+a.Target] = true
		if a.At < free[a.Target] || a.At > long || a.Fault == FaultRefuse && a.Target != serverName {
			t.Errorf("not possible: %v", a)
		}
		free[a.Target] = a.At + a.Pause
	}
	kind := worldKind{bridge: true}
	if len(seen) != len(ofProcesses)*len(kind.processes())+len(ofLinks)*len(kind.links())+1 {
		t.Errorf("%d of all faults of all targets: %v", len(seen), seen)
	}
}

func TestLoadIsOfItsSeed(t *testing.T) {
	t.Parallel()
	load := DefaultLoad(100, time.Minute)
	kinds, keys := map[Kind]int{}, map[key]bool{}
	for number := range load.Events {
		m, err := load.make(7, number)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := load.make(7, number)
		other, _ := load.make(8, number)
		if string(m.data) != string(again.data) || string(m.data) == string(other.data) || m.key != other.key {
			t.Fatalf("event %d: %+v, again %+v, of another seed %+v", number, m, again, other)
		}
		kinds[m.do]++
		keys[m.key] = true
	}
	if len(keys) != load.Events || len(kinds) != 5 {
		t.Errorf("%d events have %d keys and %v", load.Events, len(keys), kinds)
	}
}

// TestKillPlan kills processes of one kind, and each of them.
func TestKillPlan(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, a := range newKillPlan(worldKind{bridge: true}, "sidecar", 7, 10*time.Minute, 10*time.Second) {
		if a.Fault != FaultKill || kindOf(a.Target) != "sidecar" || a.validate(worldKind{}) != nil {
			t.Errorf("%v", a)
		}
		seen[a.Target] = true
	}
	if len(seen) != replicas {
		t.Errorf("hurts %v", seen)
	}
	if plan := newKillPlan(worldKind{}, "bridge", 7, time.Minute, time.Second); plan != nil {
		t.Errorf("kills what is not there: %v", plan)
	}
}

func TestBugsAreFoundByName(t *testing.T) {
	t.Parallel()
	for _, b := range Bugs() {
		if found, err := FindBug(b.Name); err != nil || found.Name != b.Name {
			t.Errorf("%s: %v", b.Name, err)
		}
	}
	if _, err := FindBug("no-such"); err == nil {
		t.Error("a bug that does not exist was found")
	}
}

func TestRunThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"long folder": {func(c *Config) { c.Dir = "/" + strings.Repeat("x", 100) }, "dir: "},
		"no rate":     {func(c *Config) { c.Load = Load{Events: 1} }, "load: 1 events at 0 a second"},
		"target":      {func(c *Config) { c.Plan = []Action{{Target: "bridge", Fault: FaultKill}} }, `plan[0]: target: there is no "bridge"`},
		"fault":       {func(c *Config) { c.Plan = []Action{{Target: "server", Fault: "burn"}} }, `plan[0]: fault: there is no "burn"`},
		"refusal":     {func(c *Config) { c.Plan = []Action{{Target: "sidecar-0", Fault: FaultRefuse}} }, "sidecar-0 cannot refuse"},
		"no link":     {func(c *Config) { c.Plan = []Action{{Target: "handler-0", Fault: FaultCut}} }, "handler-0 has no connection to cut"},
		"no process":  {func(c *Config) { c.Plan = []Action{{Target: "publisher", Fault: FaultKill}} }, "publisher is nothing to kill"},
		"every":       {func(c *Config) { c.Every = -1 }, "duration, every"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cfg Config
			c.change(&cfg)
			if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %q", err, c.want)
			}
		})
	}
}
