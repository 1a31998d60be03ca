// Package demand owns the scaling policy: a snapshot of a function's work in, the replicas it wants and the reason out.
//
// It is pure arithmetic, the same for every host: the supervisor on one machine, the scaler on Kubernetes. It knows no
// clock, no queue and no process, and runs nothing.
package demand

import (
	"fmt"
	"math"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

// Policy is what a function's manifest asks for.
type Policy struct {
	Min, Max    int
	Concurrency int           // events in flight per replica
	Backlog     int           // events per replica; used when Drain is 0
	Drain       time.Duration // work the backlog off within this time; 0 = by Backlog
	Cooldown    time.Duration // how long nothing must be due before replicas go
}

// PolicyOf reads the policy from a spec with its defaults set.
func PolicyOf(spec *function.Spec) Policy {
	p := Policy{
		Min: spec.Scale.MinReplicas, Max: max(spec.Scale.MaxReplicas, spec.Scale.MinReplicas),
		Concurrency: spec.InFlight(), Backlog: spec.Scale.Target.Backlog,
		Drain: time.Duration(spec.Scale.Target.Drain), Cooldown: time.Duration(spec.Scale.Cooldown),
	}
	if p.Backlog <= 0 {
		p.Backlog = p.Concurrency
	}
	return p
}

// Snapshot is one function's work at one moment. Parked events are not in it: they cost no replica.
type Snapshot struct {
	Due         int           // events that could be given to the function now
	InFlight    int           // events given and not settled
	Replicas    int           // replicas that run or start
	Resting     int           // of these, whose calls have all failed of late: more would only fail, too
	ServiceTime time.Duration // measured time per event; 0 if none was measured yet
	Surplus     time.Duration // how long fewer replicas than there are have been enough (Decision.Wanted < Replicas)
	Known       bool          // false: the queue could not be read, and Due and InFlight mean nothing
}

// Decision is how many replicas there should be and a sentence that says why.
type Decision struct {
	Replicas int
	Wanted   int // what the work alone asks for; less than Replicas while the cooldown runs
	Reason   string
}

// Decide returns the replicas wanted. It never goes below what is in flight, never below Min or above Max, goes down only
// after fewer have been enough for the cooldown, and holds what there is when the queue cannot be read.
func Decide(p Policy, s Snapshot) Decision {
	if !s.Known {
		n := max(s.Replicas, p.Min)
		return Decision{n, n, fmt.Sprintf("the queue cannot be read: holding %s", replicas(n))}
	}
	want, why := wanted(p, s)
	if most := max(1, s.Replicas, ceilDiv(s.InFlight, p.Concurrency)); s.Resting > 0 && want > most {
		want, why = most, fmt.Sprintf("%s: more are not started while calls fail one after another on %d", why, s.Resting)
	}
	d := clamp(p, want, why)
	if hold := min(s.Replicas, p.Max); d.Replicas < hold && s.Surplus < p.Cooldown {
		left := (p.Cooldown - s.Surplus).Round(time.Second)
		return Decision{hold, d.Wanted, fmt.Sprintf("%s; keeping %d for a cooldown of %v more", d.Reason, hold, left)}
	}
	return d
}

// PerReplica is how many events one replica is there for, at least one: within the drain goal as soon as a service time is
// known, else as the backlog goal says.
func (p Policy) PerReplica(serviceTime time.Duration) float64 {
	if p.Drain > 0 && serviceTime > 0 {
		return max(1, float64(p.Drain)/float64(serviceTime)*float64(p.Concurrency))
	}
	return float64(p.Backlog)
}

// wanted turns waiting and running events into replicas: none for nothing, else at least one.
func wanted(p Policy, s Snapshot) (int, string) {
	n := s.Due + s.InFlight
	if n == 0 {
		return 0, "nothing due"
	}
	want, why := 0, ""
	if p.Drain > 0 && s.ServiceTime > 0 {
		want = int(min(math.Ceil(float64(s.Due)/p.PerReplica(s.ServiceTime)), math.MaxInt32))
		why = fmt.Sprintf("%d due at %v each, to be worked off in %v", s.Due, s.ServiceTime.Round(time.Microsecond), p.Drain)
	} else {
		want = ceilDiv(n, p.Backlog)
		why = fmt.Sprintf("%d due and %d in flight at %d per replica", s.Due, s.InFlight, p.Backlog)
	}
	if floor := ceilDiv(s.InFlight, p.Concurrency); want < floor {
		want, why = floor, fmt.Sprintf("%d in flight at %d per replica", s.InFlight, p.Concurrency)
	}
	return max(1, want), why
}

func clamp(p Policy, want int, why string) Decision {
	switch {
	case want > p.Max:
		return Decision{p.Max, p.Max, fmt.Sprintf("%s: %s wanted, maxReplicas is %d", why, replicas(want), p.Max)}
	case want < p.Min:
		return Decision{p.Min, p.Min, fmt.Sprintf("%s: minReplicas is %d", why, p.Min)}
	default:
		return Decision{want, want, fmt.Sprintf("%s: %s", why, replicas(want))}
	}
}

func replicas(n int) string {
	switch n {
	case 0:
		return "no replica"
	case 1:
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
