package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The moments in which such a sidecar dies now and then, if PELTON_DIES says so. No promise may break of it.
const (
	DiesAfterHandler = "after-handler" // it has answered, and nothing is recorded
	DiesAfterRecord  = "after-record"  // a reply, a retry or a dead letter is stored, and its event not acknowledged
)

// Bug is a planted bug, with the shortest run that shows it. A checker that does not find it proves nothing.
type Bug struct {
	Name  string
	Finds Class // what it is found as

	Load       Load
	Plan       []Action // nil: it shows without any fault
	Timeout    time.Duration
	Patience   time.Duration
	Batch      int
	MaxDeliver int  // planted in the server's consumer, not in the sidecar
	Host       bool // it is in the host, not in the sidecar
	Ordered    bool // it is in the order
}

// Bugs returns all of them.
func Bugs() []Bug {
	never := time.Minute * 2
	return []Bug{
		{Name: "ack-before-handler", Finds: ClassLost, Load: long(3 * time.Second), Timeout: never, Plan: both(FaultKill)},
		{Name: "drain-forgets", Finds: ClassLost, Load: long(3 * time.Second), Timeout: never, Plan: both(FaultTerm)},
		{
			Name: "max-deliver", Finds: ClassLost, Load: long(3 * time.Second), Timeout: never, Plan: both(FaultTerm),
			MaxDeliver: 1,
		},
		{
			Name: "ack-after-failed-dead-letter", Finds: ClassLost, Load: alike(KindReject, 120),
			Plan: []Action{{At: bugBegins, Target: serverName, Fault: FaultRefuse, Pause: 4 * time.Second}},
		},
		{
			Name: "ack-after-failed-reply", Finds: ClassUnanswered, Load: long(time.Second),
			Plan: []Action{{At: bugBegins, Target: serverName, Fault: FaultKill, Pause: 2 * time.Second}}, Timeout: never,
		},
		{Name: "no-heartbeat", Finds: ClassDuplicate, Load: few(long(36 * time.Second)), Timeout: never},
		{Name: "timeout-acks", Finds: ClassLost, Load: few(alike(KindHangOnce, 0)), Timeout: time.Second},
		{Name: "reject-acks", Finds: ClassLost, Load: alike(KindReject, 20)},
		{Name: "parked-retry-dropped", Finds: ClassLost, Load: alike(KindFailOnce, 20)},
		{Name: "parked-retry-corrupted", Finds: ClassCorrupt, Load: alike(KindFailOnce, 20)},
		{Name: "attempts-lost", Finds: ClassOverattempted, Load: few(alike(KindPoison, 0)), Patience: 20 * time.Second},
		{
			Name: "202-before-stored", Finds: ClassLost, Load: posted(40),
			Plan: []Action{{At: bugBegins, Target: serverName, Fault: FaultKill, Pause: 4 * time.Second}},
		},
		{
			Name: "double-start", Finds: ClassCrowded, Host: true, Load: more(long(3 * time.Second)), Timeout: never,
			Plan: []Action{{At: bugBegins, Target: hostName, Fault: FaultKill, Pause: restartPause}},
		},
		{Name: "batch-acks-all", Finds: ClassLost, Load: alike(KindFailOnce, 40), Batch: 10},
		{Name: "id-without-source", Finds: ClassUnanswered, Load: alike(KindWork, 20)},
		{Name: "order-of-other-keys", Finds: ClassReordered, Load: overtaken(), Timeout: never, Ordered: true},
		{
			Name: "order-without-call-back", Finds: ClassLost, Load: keyed(), Timeout: never, Ordered: true,
			Plan: both(FaultKill),
		},
	}
}

// FindBug returns one of them.
func FindBug(name string) (Bug, error) {
	var names []string
	for _, b := range Bugs() {
		if b.Name == name {
			return b, nil
		}
		names = append(names, b.Name)
	}
	slices.Sort(names)
	return Bug{}, fmt.Errorf("find bug %q: there is none: want one of %s", name, strings.Join(names, ", "))
}

// Apply makes a run the one that shows the bug.
func (b Bug) Apply(cfg Config) Config {
	cfg.Planted, cfg.Load, cfg.Plan = b.Name, b.Load, b.Plan
	if cfg.Plan == nil {
		cfg.Plan = []Action{}
	}
	cfg.Timeout, cfg.Patience, cfg.MaxDeliver, cfg.Host = b.Timeout, b.Patience, b.MaxDeliver, b.Host
	cfg.Batch, cfg.Ordered = b.Batch, b.Ordered
	return cfg
}

// Without is the same run with the bug switched off.
func (b Bug) Without(cfg Config) Config {
	cfg = b.Apply(cfg)
	cfg.Planted, cfg.MaxDeliver, cfg.Patience = "", 0, 0
	return cfg
}

// bugBegins is when the fault comes: the first call has begun by then, and most that matter have not ended.
const bugBegins = 500 * time.Millisecond

// long is a load of calls that a fault finds in the handler.
func long(work time.Duration) Load {
	return Load{Rate: 20, Events: 40, Shares: []Share{{Kind: KindWork, Weight: 1, Work: work, Exact: true}}}
}

// alike is a load of one kind.
func alike(kind Kind, events int) Load {
	return Load{Rate: 20, Events: events, Shares: []Share{{Kind: kind, Weight: 1}}}
}

// posted is a load of events that all go in over HTTP.
func posted(events int) Load {
	l := alike(KindWork, events)
	l.HTTP = 1
	return l
}

// keyed is a load of several events for each key.
func keyed() Load {
	return Load{Rate: 100, Events: 4 * orderKeys, Shares: []Share{{Kind: KindWork, Weight: 1, Work: time.Second}}}
}

// overtaken is a load in which the next event of a key is there before a retry of the last is due.
func overtaken() Load {
	l := alike(KindFailOnce, 6*orderKeys)
	l.Rate = 2000
	return l
}

// more is twice as much of a load.
func more(l Load) Load {
	l.Events, l.Rate = 2*l.Events, 2*l.Rate
	return l
}

// few takes as many events of a load as both replicas can have at one time.
func few(l Load) Load {
	l.Events = 4
	return l
}

// both does the same to both sidecars.
func both(f Fault) []Action {
	return []Action{
		{At: bugBegins, Target: sidecarName(0), Fault: f, Pause: restartPause},
		{At: bugBegins, Target: sidecarName(1), Fault: f, Pause: restartPause},
	}
}
