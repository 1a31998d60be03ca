package demand_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/demand"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	backlog := demand.Policy{Max: 20, Concurrency: 8, Backlog: 8, Cooldown: 30 * time.Second}
	drain := demand.Policy{Max: 20, Concurrency: 4, Backlog: 4, Drain: 10 * time.Second, Cooldown: 30 * time.Second}
	warm := backlog
	warm.Min = 2
	tests := map[string]struct {
		policy   demand.Policy
		snapshot demand.Snapshot
		want     demand.Decision
	}{
		"nothing due": {backlog, demand.Snapshot{Known: true}, demand.Decision{Reason: "nothing due: no replica"}},
		"calls fail": {
			backlog,
			demand.Snapshot{Known: true, Due: 1000, Replicas: 2, Resting: 1},
			demand.Decision{
				Replicas: 2, Wanted: 2,
				Reason: "1000 due and 0 in flight at 8 per replica: more are not started while calls fail one after another on 1: 2 replicas",
			},
		},
		"calls fail, fewer are enough": {
			backlog,
			demand.Snapshot{Known: true, Due: 1, Replicas: 2, Resting: 2, Surplus: time.Minute},
			demand.Decision{Replicas: 1, Wanted: 1, Reason: "1 due and 0 in flight at 8 per replica: 1 replica"},
		},
		"nothing due, min": {
			warm,
			demand.Snapshot{Known: true},
			demand.Decision{Replicas: 2, Wanted: 2, Reason: "nothing due: minReplicas is 2"},
		},
		"one event": {
			backlog,
			demand.Snapshot{Known: true, Due: 1},
			demand.Decision{Replicas: 1, Wanted: 1, Reason: "1 due and 0 in flight at 8 per replica: 1 replica"},
		},
		"backlog": {
			backlog,
			demand.Snapshot{Known: true, Due: 30, InFlight: 3},
			demand.Decision{Replicas: 5, Wanted: 5, Reason: "30 due and 3 in flight at 8 per replica: 5 replicas"},
		},
		"backlog over max": {
			backlog,
			demand.Snapshot{Known: true, Due: 1000},
			demand.Decision{
				Replicas: 20, Wanted: 20,
				Reason: "1000 due and 0 in flight at 8 per replica: 125 replicas wanted, maxReplicas is 20",
			},
		},
		"drain, unmeasured": {
			drain,
			demand.Snapshot{Known: true, Due: 8},
			demand.Decision{Replicas: 2, Wanted: 2, Reason: "8 due and 0 in flight at 4 per replica: 2 replicas"},
		},
		"drain": {
			drain,
			demand.Snapshot{Known: true, Due: 1000, ServiceTime: 100 * time.Millisecond},
			demand.Decision{Replicas: 3, Wanted: 3, Reason: "1000 due at 100ms each, to be worked off in 10s: 3 replicas"},
		},
		"drain, in flight": {
			drain,
			demand.Snapshot{Known: true, Due: 1, InFlight: 9, ServiceTime: time.Millisecond},
			demand.Decision{Replicas: 3, Wanted: 3, Reason: "9 in flight at 4 per replica: 3 replicas"},
		},
		"cooling down": {
			backlog,
			demand.Snapshot{Known: true, Replicas: 3, Surplus: 10 * time.Second},
			demand.Decision{Replicas: 3, Wanted: 0, Reason: "nothing due: no replica; keeping 3 for a cooldown of 20s more"},
		},
		"cooled down": {
			backlog,
			demand.Snapshot{Known: true, Replicas: 3, Surplus: 30 * time.Second},
			demand.Decision{Reason: "nothing due: no replica"},
		},
		"down to what runs": {
			backlog,
			demand.Snapshot{Known: true, Replicas: 9, InFlight: 9, Surplus: time.Minute},
			demand.Decision{Replicas: 2, Wanted: 2, Reason: "0 due and 9 in flight at 8 per replica: 2 replicas"},
		},
		"unknown, none run": {
			backlog,
			demand.Snapshot{Due: 99},
			demand.Decision{Reason: "the queue cannot be read: holding no replica"},
		},
		"unknown, some run": {
			backlog,
			demand.Snapshot{Replicas: 4},
			demand.Decision{Replicas: 4, Wanted: 4, Reason: "the queue cannot be read: holding 4 replicas"},
		},
		"max lowered below n": {
			backlog,
			demand.Snapshot{Known: true, Replicas: 30},
			demand.Decision{Replicas: 20, Wanted: 0, Reason: "nothing due: no replica; keeping 20 for a cooldown of 30s more"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(test.want, demand.Decide(test.policy, test.snapshot)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestDecideKeepsItsPromises checks the bounds for any policy and any work.
func TestDecideKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := demand.Policy{
			Min: rapid.IntRange(0, 5).Draw(t, "min"), Concurrency: rapid.IntRange(1, 100).Draw(t, "concurrency"),
			Cooldown: time.Duration(rapid.IntRange(0, 60).Draw(t, "cooldown")) * time.Second,
			Drain:    time.Duration(rapid.IntRange(0, 60).Draw(t, "drain")) * time.Second,
		}
		p.Max = p.Min + rapid.IntRange(1, 50).Draw(t, "room")
		p.Backlog = rapid.IntRange(1, 100).Draw(t, "backlog")
		s := demand.Snapshot{
			Due: rapid.IntRange(0, 1<<30).Draw(t, "due"), InFlight: rapid.IntRange(0, 1<<20).Draw(t, "inFlight"),
			Replicas: rapid.IntRange(0, p.Max).Draw(t, "replicas"), Resting: rapid.IntRange(0, 2).Draw(t, "resting"), Known: rapid.Bool().Draw(t, "known"),
			ServiceTime: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "service")),
			Surplus:     time.Duration(rapid.IntRange(0, 120).Draw(t, "surplus")) * time.Second,
		}
		d := demand.Decide(p, s)
		switch {
		case d.Replicas < p.Min || d.Replicas > p.Max:
			t.Fatalf("%+v is outside %d..%d", d, p.Min, p.Max)
		case s.Known && d.Replicas*p.Concurrency < s.InFlight && d.Replicas < p.Max:
			t.Fatalf("%+v is below what is in flight", d)
		case s.Known && s.Due+s.InFlight > 0 && d.Replicas == 0:
			t.Fatalf("%+v leaves work waiting", d)
		case !s.Known && d.Replicas < s.Replicas:
			t.Fatalf("%+v goes down on a queue it cannot read", d)
		case d.Replicas < s.Replicas && s.Surplus < p.Cooldown:
			t.Fatalf("%+v goes down before the cooldown is over", d)
		case d.Reason == "":
			t.Fatal("no reason")
		}
	})
}
