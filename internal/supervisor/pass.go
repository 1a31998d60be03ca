package supervisor

import (
	"math"
	"strconv"
	"time"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/wake"
)

// How often a function is looked at while it has replicas that it may lose.
const (
	lookOften  = 50 * time.Millisecond
	lookSeldom = time.Second
)

func replicaName(fn *function.Function, number int) string {
	return fn.Metadata.Name + "-" + strconv.Itoa(number)
}

// pass compares what is wanted with what is there, starts and drains, and returns when to look again; 0 is not before
// something happens.
func (u *unit) pass(now time.Time) time.Duration {
	u.mu.Lock()
	defer u.release()
	if u.fn == nil {
		return u.setup.nextTry(now)
	}
	u.decide(now)
	deaf := u.giveUpDeaf(now)
	s := u.situation(now)
	if plantable {
		s = plantedSituation(s)
	}
	start, drain := s.plan()
	for range start {
		u.begin(now)
	}
	for _, number := range drain {
		for _, r := range u.replicas {
			if r.number == number {
				r.state = draining
				r.drain(errAsked)
			}
		}
	}
	wait := u.nextLook(now, s)
	if deaf {
		wait = sooner(wait, lookSeldom)
	}
	return wait
}

// giveUpDeaf replaces replicas whose handler lives but has accepted no calls for as long as a start may take, and reports
// whether there are any that may come to that. What they still have in work is not cut. The caller holds mu.
func (u *unit) giveUpDeaf(now time.Time) (any bool) {
	for _, r := range u.replicas {
		switch {
		case r.state != ready || !r.sidecar.Paused():
			r.deaf = time.Time{}
		case r.deaf.IsZero():
			r.deaf, any = now, true
		case now.Sub(r.deaf) > u.sup.cfg.StartTimeout:
			r.drain(errDeaf)
		default:
			any = true
		}
	}
	return any
}

// decide asks demand. The caller holds mu.
func (u *unit) decide(now time.Time) {
	snapshot := u.snapshot(now)
	d := u.obey(demand.Decide(u.policy, snapshot))
	if d.Wanted >= snapshot.Replicas {
		u.enough = now
	}
	if d.Replicas != u.decision.Replicas {
		u.tell(Event{Kind: EventScaled, Wanted: d.Replicas, Text: d.Reason})
	}
	u.decision, u.decided = d, now
}

// snapshot is the function's work now. What is in flight comes from our own sidecars: the queue's number is read only while
// something is due, and includes what a killed sidecar took with it, which no replica can work on.
func (u *unit) snapshot(now time.Time) demand.Snapshot {
	reading := u.sup.watcher.Reading(u.key)
	inFlight, waiting, resting, service, measured := 0, 0, 0, time.Duration(0), 0
	for _, r := range u.replicas {
		if r.sidecar == nil {
			continue
		}
		inFlight += r.sidecar.InFlight()
		waiting += r.sidecar.Waiting()
		if r.sidecar.Resting() != "" {
			resting++
		}
		if t := r.sidecar.ServiceTime(); t > 0 {
			service += t
			measured++
		}
	}
	if measured > 0 {
		u.service = service / time.Duration(measured)
	}
	u.busy = max(inFlight, u.load.sample(now, u.tick()))
	return demand.Snapshot{
		Due: dueOf(reading, u.busy) + waiting, InFlight: u.busy + u.direct, Replicas: u.decision.Replicas, Resting: resting,
		ServiceTime: u.service, Surplus: now.Sub(u.enough), Known: reading.Known || reading.Err == nil,
	}
}

// dueOf is how many events could be delivered now. busy is what our own sidecars have in work: the reading is older, so what
// they have beyond what it had in flight was taken from what was due. When it has more in flight than they have, an event
// that may be due again is. So no event is counted twice.
func dueOf(r wake.Reading, busy int) int {
	due, inFlight := int(min(r.Due, math.MaxInt32)), int(min(r.InFlight, math.MaxInt32))
	switch {
	case busy > inFlight:
		return max(0, due-(busy-inFlight))
	case r.Again && busy < inFlight:
		return due + 1
	default:
		return due
	}
}

// situation is what the plan is made of. The caller holds mu.
func (u *unit) situation(now time.Time) situation {
	s := situation{want: u.decision.Replicas, idleOnly: u.held == nil && time.Duration(u.fn.Spec.Timeout) > u.sup.cfg.DrainTimeout}
	trying, serving := 0, 0
	for _, r := range u.replicas {
		m := member{number: r.number, current: r.generation == u.generation, state: r.state, pinned: r.calls > 0}
		if r.sidecar != nil {
			m.inFlight = r.sidecar.InFlight()
		}
		if m.current && m.state == starting {
			trying++
		}
		if m.current && m.state == ready {
			serving++
		}
		s.members = append(s.members, m)
	}
	switch {
	case u.resume.After(now):
	case u.tracker.failures > 0 && serving == 0:
		s.mayStart = max(0, 1-trying) // one shows whether it works now
	default:
		s.mayStart = math.MaxInt
	}
	return s
}

// nextLook returns when time alone may change the plan. The caller holds mu.
func (u *unit) nextLook(now time.Time, s situation) time.Duration {
	wait := u.setup.nextTry(now)
	if u.resume.After(now) && s.want > 0 {
		wait = sooner(wait, u.resume.Sub(now))
	}
	if u.decision.Replicas > u.policy.Min || u.busy+u.direct > 0 {
		wait = sooner(wait, u.tick())
	}
	return wait
}

// tick is how often to look while replicas may have to go, or work is on its way whose end nobody announces.
func (u *unit) tick() time.Duration { return min(max(u.policy.Cooldown/4, lookOften), lookSeldom) }

// until is the time from now to t, at least one moment; 0 if t is zero.
func until(now, t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(t.Sub(now), time.Millisecond)
}

// sooner is the smaller of two waits, where 0 is for ever.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}
