package faults

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at is a moment of a run.
func at(second float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(second * float64(time.Second)))
}

func killed(target string, second float64) Action {
	return Action{Target: target, Fault: FaultKill, Began: at(second), Pause: time.Second}
}

func said(kind recordKind, replica, id string, second float64) record {
	return record{Kind: kind, Replica: replica, ID: id, At: at(second), HTTP: true}
}

func TestRecoveries(t *testing.T) {
	t.Parallel()
	e := &evidence{
		published: []record{said(recordAcked, "", "a", 5), said(recordAcked, "", "b", 23)},
		handled: []record{
			said(recordBegun, "handler-0", "done", 1), said(recordDone, "handler-0", "done", 2),
			said(recordBegun, "handler-0", "held", 9), said(recordBegun, "handler-1", "other", 9),
			said(recordDone, "handler-1", "other", 12), // the server's kill at 10 is over at 11
			said(recordDone, "handler-0", "late", 33), said(recordBegun, "handler-1", "held", 40),
		},
	}
	for name, c := range map[string]struct {
		done []Action
		want []Recovery
	}{
		"server":                    {[]Action{killed(serverName, 10)}, []Recovery{{Of: serverName, P50: time.Second}}},
		"bridge":                    {[]Action{killed(bridgeName, 20)}, []Recovery{{Of: bridgeName, P50: 2 * time.Second}}},
		"handler, not the other's":  {[]Action{killed("handler-0", 10)}, []Recovery{{Of: "handler", P50: 22 * time.Second}}},
		"sidecar, what it held":     {[]Action{killed("sidecar-0", 10)}, []Recovery{{Of: "sidecar", P50: 29 * time.Second}}},
		"sidecar that held nothing": {[]Action{killed("sidecar-0", 5)}, nil},
		"nothing came after it":     {[]Action{killed(bridgeName, 30)}, nil},
		"something came between":    {[]Action{killed("handler-0", 10), killed("sidecar-0", 20)}, []Recovery{{Of: "sidecar", P50: 19 * time.Second}}},
		"not done":                  {[]Action{{Target: serverName, Fault: FaultKill, Began: at(10), Result: "it does not run"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := recoveries(c.done, e)
			for i := range c.want {
				c.want[i].Kills, c.want[i].P95, c.want[i].Max = 1, c.want[i].P50, c.want[i].P50
			}
			for i := range got {
				got[i].Until = ""
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for n := range 100 {
		times = append(times, time.Duration(n+1))
	}
	for percent, want := range map[int]time.Duration{50: 50, 95: 95, 100: 100} {
		if got := percentile(times, percent); got != want {
			t.Errorf("%d %%: %d, want %d", percent, got, want)
		}
	}
	if got := percentile(times[:1], 50); got != 1 {
		t.Errorf("of one: %d", got)
	}
}
