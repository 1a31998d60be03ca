package supervisor

import (
	"cmp"
	"slices"
)

// state is where a replica is in its life.
type state uint8

const (
	starting state = iota
	ready
	draining
)

// String names the state as statuses do.
func (s state) String() string { return [...]string{"starting", "ready", "draining"}[s] }

// member is what the plan knows of one replica.
type member struct {
	number   int // ascending by age: the newest has the highest
	current  bool
	state    state
	inFlight int
	pinned   bool // a direct call runs on it
}

// situation is what a plan is made of.
type situation struct {
	members []member
	want    int
	// mayStart is how many may be started now: 0 during a back-off or without a successful setup.
	mayStart int
	// idleOnly leaves replicas alone that hold events: draining them could take longer than they are given.
	idleOnly bool
}

// plan answers how many replicas of the current generation to start and which to drain, by number. Replicas of an older
// generation stay until as many newer ones are ready.
func (s situation) plan() (start int, drain []int) {
	var current, old []member
	serving := 0
	for _, m := range s.members {
		switch {
		case m.state == draining:
		case !m.current:
			old = append(old, m)
		default:
			current = append(current, m)
			if m.state == ready {
				serving++
			}
		}
	}
	start = min(max(0, s.want-len(current)), s.mayStart)
	drain = s.dispensable(current, len(current)-s.want, s.idleOnly)
	drain = append(drain, s.dispensable(old, len(old)-max(0, s.want-serving), false)...)
	return start, drain
}

// dispensable picks n members that are missed least: those that still start, then the idle, then the newest.
func (s situation) dispensable(from []member, n int, idleOnly bool) []int {
	from = slices.Clone(from)
	slices.SortFunc(from, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.state, b.state), cmp.Compare(a.inFlight, b.inFlight), cmp.Compare(b.number, a.number))
	})
	var picked []int
	for _, m := range from {
		if len(picked) >= n {
			break
		}
		if m.pinned || (idleOnly && m.inFlight > 0) {
			continue
		}
		picked = append(picked, m.number)
	}
	return picked
}
