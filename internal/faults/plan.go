package faults

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is what is done to a process.
type Fault string

// The faults.
const (
	FaultKill   Fault = "kill"   // SIGKILL, and it stays away for a while
	FaultTerm   Fault = "term"   // SIGTERM, and it stays away for a while
	FaultFreeze Fault = "freeze" // SIGSTOP, and SIGCONT after a while
	FaultRefuse Fault = "refuse" // of the server only: the stream of dead letters takes none for a while

	// Of the connection to the server, for a while.
	FaultSlow Fault = "slow" // both ways take their time
	FaultCut  Fault = "cut"  // it is broken, and none is let in
	FaultHole Fault = "hole" // nothing passes, nobody is told, and then it goes on as if nothing had been
	FaultDeaf Fault = "deaf" // nothing comes from the server, and then it is broken: what the server said is lost
	FaultMute Fault = "mute" // nothing goes to the server, and then it is broken: what was said to it is lost

	// FaultPoor is slower than FaultSlow, and breaks again and again. It takes so long that no seed makes one.
	FaultPoor Fault = "poor"
)

// ofProcesses and ofLinks are the faults that a seed makes, by what they hurt.
var (
	ofProcesses = []Fault{FaultKill, FaultTerm, FaultFreeze}
	ofLinks     = []Fault{FaultSlow, FaultCut, FaultHole, FaultDeaf, FaultMute}
)

// isOfLinks reports whether it hurts a connection.
func (f Fault) isOfLinks() bool { return f == FaultPoor || slices.Contains(ofLinks, f) }

// Action is one fault: when, to whom, and for how long.
type Action struct {
	At     time.Duration `json:"at"` // since the first call
	Target string        `json:"target"`
	Fault  Fault         `json:"fault"`
	Pause  time.Duration `json:"pause"`
	Began  time.Time     `json:"began,omitzero"`   // when it was done
	Result string        `json:"result,omitempty"` // "" if it was done, or why not
}

// String is the line of a log.
func (a Action) String() string {
	return fmt.Sprintf("%8.2fs %-7s %-10s %6.2fs %s", a.At.Seconds(), a.Fault, a.Target, a.Pause.Seconds(), a.Result)
}

// validate refuses what the nemesis could not do in such a world.
func (a Action) validate(w worldKind) error {
	processes, links := w.processes(), w.links()
	all := slices.Concat(processes, links)
	slices.Sort(all)
	allowed := slices.Concat(ofProcesses, ofLinks, []Fault{FaultPoor, FaultRefuse})
	switch {
	case !slices.Contains(all, a.Target):
		return fmt.Errorf("target: there is no %q: want one of %v", a.Target, slices.Compact(all))
	case !slices.Contains(allowed, a.Fault):
		return fmt.Errorf("fault: there is no %q: want one of %v", a.Fault, allowed)
	case a.Fault == FaultRefuse && a.Target != serverName:
		return fmt.Errorf("target: %s cannot refuse: want %s", a.Target, serverName)
	case a.Fault.isOfLinks() && !slices.Contains(links, a.Target):
		return fmt.Errorf("target: %s has no connection to %s: want one of %v", a.Target, a.Fault, links)
	case slices.Contains(ofProcesses, a.Fault) && !slices.Contains(processes, a.Target):
		return fmt.Errorf("target: %s is nothing to %s: want one of %v", a.Target, a.Fault, processes)
	}
	return nil
}

// worldKind is what there is in a world.
type worldKind struct{ host, bridge bool }

// processes are those that signals are sent to. The handlers of a host are its own business.
func (w worldKind) processes() []string {
	names := []string{serverName}
	if w.bridge {
		names = append(names, bridgeName)
	}
	if w.host {
		return append(names, hostName)
	}
	for n := range replicas {
		names = append(names, sidecarName(n), handlerName(n))
	}
	return names
}

// links are those who have a connection to the server that can be hurt.
func (w worldKind) links() []string {
	names := []string{publisherName}
	if w.bridge {
		names = append(names, bridgeName)
	}
	if w.host {
		return append(names, hostName)
	}
	for n := range replicas {
		names = append(names, sidecarName(n))
	}
	return names
}

const replicas = 2

// The targets.
const (
	serverName    = "server"
	publisherName = "publisher"
	bridgeName    = "bridge"
	hostName      = "host"
)

func sidecarName(n int) string { return fmt.Sprintf("sidecar-%d", n) }

func handlerName(n int) string { return fmt.Sprintf("handler-%d", n) }

// quietStart is how long a world is left alone after its first call.
const quietStart = time.Second

// longFreeze is how long a sidecar may be frozen where there is time for it: longer than the server waits for it, so that it
// comes back to events that are another's by then.
const longFreeze = 40 * time.Second

// NewPlan decides on everything that will be done for so long, one fault about every so often, in a world of sidecars with a
// bridge. Two faults of one target do not overlap; those of different targets may. The same seed makes the same plan.
func NewPlan(seed uint64, duration, every time.Duration) []Action {
	return newPlan(worldKind{bridge: true}, seed, duration, every)
}

func newPlan(w worldKind, seed uint64, duration, every time.Duration) []Action {
	var plan []Action
	if every <= 0 {
		return nil
	}
	random := rand.New(rand.NewPCG(seed, 0))
	free := map[string]time.Duration{}
	for at := quietStart; at < duration; at += between(random, every/2, every*3/2) {
		target := w.pickTarget(random)
		a := Action{At: at, Target: target, Fault: w.pickFault(random, target)}
		a.Pause = pickPause(random, a.Fault)
		if a.Fault == FaultRefuse {
			a.Target = serverName
		}
		long := (a.Fault == FaultFreeze || a.Fault == FaultHole) && a.Target == sidecarName(0)
		if long && duration-at > 2*longFreeze && random.IntN(4) == 0 {
			a.Pause = longFreeze
		}
		if free[a.Target] > at {
			continue
		}
		free[a.Target] = at + a.Pause + time.Second
		plan = append(plan, a)
	}
	slices.SortStableFunc(plan, func(a, b Action) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// newKillPlan kills processes of one kind, so that it is seen how long one takes to recover that nothing else disturbs.
func newKillPlan(w worldKind, kind string, seed uint64, duration, every time.Duration) []Action {
	var plan []Action
	var targets []string
	for _, name := range w.processes() {
		if kindOf(name) == kind {
			targets = append(targets, name)
		}
	}
	if every <= 0 || len(targets) == 0 {
		return nil
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for at := quietStart; at < duration; at += between(random, every/2, every*3/2) {
		target := targets[random.IntN(len(targets))]
		plan = append(plan, Action{At: at, Target: target, Fault: FaultKill, Pause: pickPause(random, FaultKill)})
	}
	return plan
}

// kindOf is what a target is one of.
func kindOf(target string) string {
	kind, _, _ := strings.Cut(target, "-")
	return kind
}

func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(max(1, int64(high-low))))
}

// pickTarget takes one that handles events most of the time.
func (w worldKind) pickTarget(random *rand.Rand) string {
	n := random.IntN(20)
	switch {
	case n < 4:
		return serverName
	case n == 4:
		return publisherName
	case n < 7 && w.bridge:
		return bridgeName
	case w.host:
		return hostName
	case n < 14:
		return sidecarName(random.IntN(replicas))
	default:
		return handlerName(random.IntN(replicas))
	}
}

// pickFault hurts the connection in one of three cases where there is one, and always where there is nothing else.
func (w worldKind) pickFault(random *rand.Rand, target string) Fault {
	if slices.Contains(w.links(), target) && (target == publisherName || random.IntN(3) == 0) {
		return ofLinks[random.IntN(len(ofLinks))]
	}
	switch n := random.IntN(20); {
	case n < 13:
		return FaultKill
	case n < 16:
		return FaultFreeze
	case n < 19:
		return FaultTerm
	default:
		return FaultRefuse
	}
}

// pickPause is short most of the time: what comes back at once meets what it left.
func pickPause(random *rand.Rand, f Fault) time.Duration {
	if f != FaultKill && f != FaultTerm {
		return between(random, 300*time.Millisecond, 4*time.Second)
	}
	if random.IntN(3) == 0 {
		return between(random, time.Second, 4*time.Second)
	}
	return between(random, 50*time.Millisecond, 500*time.Millisecond)
}
