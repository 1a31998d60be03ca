package faults

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
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
)

// Action is one fault: when, to whom, and for how long.
type Action struct {
	At     time.Duration `json:"at"` // since the first call
	Target string        `json:"target"`
	Fault  Fault         `json:"fault"`
	Pause  time.Duration `json:"pause"`
	Result string        `json:"result,omitempty"` // "" if it was done, or why not
}

// String is the line of a log.
func (a Action) String() string {
	return fmt.Sprintf("%8.2fs %-7s %-10s %6.2fs %s", a.At.Seconds(), a.Fault, a.Target, a.Pause.Seconds(), a.Result)
}

// validate refuses what the nemesis could not do.
func (a Action) validate() error {
	targets := []string{serverName}
	for n := range replicas {
		targets = append(targets, sidecarName(n), handlerName(n))
	}
	faults := []Fault{FaultKill, FaultTerm, FaultFreeze, FaultRefuse}
	switch {
	case !slices.Contains(targets, a.Target):
		return fmt.Errorf("target: there is no %q: want one of %v", a.Target, targets)
	case !slices.Contains(faults, a.Fault):
		return fmt.Errorf("fault: there is no %q: want one of %v", a.Fault, faults)
	case a.Fault == FaultRefuse && a.Target != serverName:
		return fmt.Errorf("target: %s cannot refuse: want %s", a.Target, serverName)
	}
	return nil
}

const replicas = 2

// The targets.
const serverName = "server"

func sidecarName(n int) string { return fmt.Sprintf("sidecar-%d", n) }

func handlerName(n int) string { return fmt.Sprintf("handler-%d", n) }

// quietStart is how long a world is left alone after its first call.
const quietStart = time.Second

// longFreeze is how long a sidecar may be frozen where there is time for it: longer than the server waits for it, so that it
// comes back to events that are another's by then.
const longFreeze = 40 * time.Second

// NewPlan decides on everything that will be done for so long, one fault about every so often. Two faults of one target do
// not overlap; those of different targets may. The same seed makes the same plan.
func NewPlan(seed uint64, duration, every time.Duration) []Action {
	var plan []Action
	if every <= 0 {
		return nil
	}
	random := rand.New(rand.NewPCG(seed, 0))
	free := map[string]time.Duration{}
	for at := quietStart; at < duration; at += between(random, every/2, every*3/2) {
		a := Action{At: at, Target: pickTarget(random), Fault: pickFault(random)}
		a.Pause = pickPause(random, a.Fault)
		if a.Fault == FaultRefuse {
			a.Target = serverName
		}
		if a.Fault == FaultFreeze && a.Target == sidecarName(0) && duration-at > 2*longFreeze && random.IntN(4) == 0 {
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

func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(max(1, int64(high-low))))
}

func pickTarget(random *rand.Rand) string {
	switch n := random.IntN(10); {
	case n < 2:
		return serverName
	case n < 6:
		return sidecarName(random.IntN(replicas))
	default:
		return handlerName(random.IntN(replicas))
	}
}

func pickFault(random *rand.Rand) Fault {
	switch n := random.IntN(20); {
	case n < 11:
		return FaultKill
	case n < 15:
		return FaultFreeze
	case n < 18:
		return FaultTerm
	default:
		return FaultRefuse
	}
}

// pickPause is short most of the time: what comes back at once meets what it left.
func pickPause(random *rand.Rand, f Fault) time.Duration {
	if f == FaultFreeze || f == FaultRefuse {
		return between(random, 300*time.Millisecond, 4*time.Second)
	}
	if random.IntN(3) == 0 {
		return between(random, time.Second, 4*time.Second)
	}
	return between(random, 50*time.Millisecond, 500*time.Millisecond)
}
