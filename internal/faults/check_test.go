package faults

import (
	"errors"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/deadletter"
)

var one = key{"/a", "1"}

const sum = "0123"

func sent(kinds ...recordKind) (records []record) {
	for _, k := range kinds {
		records = append(records, record{Kind: k, ID: one.ID, Source: one.Source, Sum: sum, Do: KindWork, Attempt: 1})
	}
	return records
}

// called are records of a handler, of attempt 1.
func called(kinds ...recordKind) []record { return sent(kinds...) }

// good is the evidence of one event that went its way.
func good() *evidence {
	return &evidence{
		published: sent(recordSent, recordAcked),
		handled:   called(recordBegun, recordDone),
		stored:    map[key][]storedEvent{one: {{sequence: 1, sum: sum}}},
		replies:   map[key][]time.Time{one: {time.Unix(100, 0)}},
		letters:   map[key][]letter{}, queued: map[key]string{}, ackFloor: 1, limit: 5,
	}
}

// dead is the evidence of one event that its handler rejects.
func dead() *evidence {
	e := good()
	e.published[0].Do, e.published[1].Do = KindReject, KindReject
	e.handled, e.replies = called(recordBegun, recordRejected), nil
	e.letters[one] = []letter{{reason: deadletter.ReasonRejected, attempts: 1, sum: sum, died: time.Unix(100, 0)}}
	return e
}

func TestCheckPasses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		evidence *evidence
		change   func(*evidence)
		want     Counts
	}{
		"done":     {good(), func(*evidence) {}, Counts{Sent: 1, Accepted: 1, OK: 1, Calls: 1}},
		"rejected": {dead(), func(*evidence) {}, Counts{Sent: 1, Accepted: 1, OK: 1, Calls: 1, Dead: 1}},
		"replayed": {dead(), func(e *evidence) {
			e.replayed, e.healed = true, called(recordBegun, recordDone)
		}, Counts{Sent: 1, Accepted: 1, OK: 1, Calls: 1, Dead: 1, Replayed: 1}},
		"over HTTP, after a try that failed at once": {good(), func(e *evidence) {
			e.published = sent(recordSent, recordUnsent, recordSent, recordAcked)
			for i := range e.published {
				e.published[i].HTTP = true
			}
		}, Counts{Sent: 1, Unsent: 1, Accepted: 1, HTTP: 1, OK: 1, Calls: 1}},
		"one call after the other": {good(), func(e *evidence) {
			e.room, e.faults = 1, 1
			e.handled = called(recordBegun, recordCut, recordBegun, recordDone)
			for i, second := range []int64{0, 10, 10, 20} {
				e.handled[i].At = time.Unix(second, 0)
			}
		}, Counts{Sent: 1, Accepted: 1, OK: 1, Calls: 2}},
		"not acknowledged": {good(), func(e *evidence) { e.published = sent(recordSent) }, Counts{
			Sent: 1, Recovered: 1, Calls: 1,
		}},
		"refused": {good(), func(e *evidence) {
			*e = evidence{published: sent(recordSent), limit: 5}
		}, Counts{Sent: 1, Refused: 1}},
		"done twice in faults": {good(), func(e *evidence) {
			e.faults, e.held, e.handled = 1, 1, called(recordBegun, recordDone, recordBegun, recordDone)
		}, Counts{Sent: 1, Accepted: 1, OK: 1, Calls: 2, Duplicates: 1}},
		"done and dead in faults": {good(), func(e *evidence) {
			e.faults, e.letters = 1, map[key][]letter{one: {{reason: deadletter.ReasonAttempts, attempts: 5, sum: sum}}}
		}, Counts{Sent: 1, Accepted: 1, OK: 1, Calls: 1, Dead: 1, Both: 1}},
		"answered again when nobody remembers": {good(), func(e *evidence) {
			e.faults, e.replies = 1, map[key][]time.Time{one: {time.Unix(300, 0), time.Unix(100, 0)}}
		}, Counts{Sent: 1, Accepted: 1, OK: 1, Calls: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.change(c.evidence)
			if v := check(c.evidence); !v.Passed || v.Counts != c.want {
				t.Errorf("%+v, %v; want %+v", v.Counts, v.Violations, c.want)
			}
		})
	}
}

// TestCheckFinds spoils the evidence, one way at a time: each is found as what it is, and as nothing else.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	unhandled := func(e *evidence) { e.handled, e.replies = nil, nil }
	for name, c := range map[string]struct {
		class    Class
		evidence *evidence
		spoil    func(*evidence)
	}{
		"lost": {ClassLost, good(), unhandled},
		"begun and lost": {ClassLost, good(), func(e *evidence) {
			unhandled(e)
			e.handled = called(recordBegun)
		}},
		"not acknowledged, and lost": {ClassLost, good(), func(e *evidence) {
			unhandled(e)
			e.published = sent(recordSent)
		}},
		"gone from the stream":    {ClassLost, good(), func(e *evidence) { unhandled(e); e.stored = nil }},
		"rejected, and no letter": {ClassLost, dead(), func(e *evidence) { e.letters = nil }},
		"parked": {ClassStuck, good(), func(e *evidence) {
			unhandled(e)
			e.queued[one] = "pelton.park.a"
		}},
		"not acknowledged by us": {ClassStuck, good(), func(e *evidence) {
			unhandled(e)
			e.ackFloor, e.waits.InFlight = 0, 1
		}},
		"done twice": {ClassDuplicate, good(), func(e *evidence) {
			e.handled = called(recordBegun, recordDone, recordDone)
		}},
		"done again by no fault that explains it": {ClassDuplicate, good(), func(e *evidence) {
			e.faults, e.held, e.handled = 1, 1, called(recordBegun, recordDone, recordBegun, recordDone, recordBegun, recordDone)
		}},
		"begun twice": {ClassDuplicate, good(), func(e *evidence) {
			e.handled = called(recordBegun, recordBegun, recordDone)
		}},
		"handled, never sent": {ClassPhantom, good(), func(e *evidence) {
			e.handled = append(e.handled, record{Kind: recordBegun, ID: "2"})
		}},
		"answered, never sent": {ClassPhantom, good(), func(e *evidence) {
			e.replies[key{"", "2"}] = make([]time.Time, 1)
		}},
		"dead, never sent": {ClassPhantom, good(), func(e *evidence) {
			e.letters[key{"", "2"}] = make([]letter, 1)
		}},
		"other bytes in the stream":  {ClassCorrupt, good(), func(e *evidence) { e.stored[one][0].sum = "x" }},
		"other bytes in the handler": {ClassCorrupt, good(), func(e *evidence) { e.handled[0].Sum = "x" }},
		"other bytes in the letter":  {ClassCorrupt, dead(), func(e *evidence) { e.letters[one][0].sum = "x" }},
		"an attempt beyond the last": {ClassOverattempted, good(), func(e *evidence) { e.handled[0].Attempt = 6 }},
		"dead for no reason": {ClassMisjudged, dead(), func(e *evidence) {
			e.letters[one][0].reason = deadletter.ReasonExpired
		}},
		"dead too early": {ClassMisjudged, dead(), func(e *evidence) {
			e.letters[one][0].reason = deadletter.ReasonAttempts
		}},
		"no reply": {ClassUnanswered, good(), func(e *evidence) { e.replies = nil }},
		"stored twice": {ClassTwice, good(), func(e *evidence) {
			e.stored[one] = []storedEvent{{1, sum, time.Unix(100, 0)}, {2, sum, time.Unix(101, 0)}}
			e.ackFloor = 2
		}},
		"stored, and never sent": {ClassPhantom, good(), func(e *evidence) {
			e.published = sent(recordSent, recordUnsent)
		}},
		"too many calls at one time": {ClassCrowded, good(), func(e *evidence) {
			e.room, e.handled[1].At = 1, e.handled[0].At.Add(time.Minute)
			other := called(recordBegun, recordDone)
			other[0].Process, other[1].Process, other[1].At = 1, 1, e.handled[1].At
			e.handled, e.faults, e.held = append(e.handled, other...), 1, 1
		}},
		"replayed and not done": {ClassUnreplayed, dead(), func(e *evidence) {
			e.replayed, e.healed = true, called(recordBegun)
		}},
		"replayed with other bytes": {ClassCorrupt, dead(), func(e *evidence) {
			e.replayed, e.healed = true, called(recordDone)
			e.healed[0].Sum = "x"
		}},
		"done twice of one replay": {ClassDuplicate, dead(), func(e *evidence) {
			e.replayed, e.healed = true, called(recordDone, recordDone)
		}},
		"replayed, and was not dead": {ClassPhantom, good(), func(e *evidence) {
			e.replayed, e.healed = true, called(recordDone)
		}},
		"two replies": {ClassTwice, good(), func(e *evidence) {
			e.replies[one] = append(e.replies[one], time.Unix(101, 0))
		}},
		"two letters": {ClassTwice, dead(), func(e *evidence) {
			e.letters[one] = append(e.letters[one], e.letters[one]...)
		}},
		"a panic": {ClassCrashed, good(), func(e *evidence) {
			e.crashes = []string{"sidecar-0"}
		}},
		"done and dead without cause": {ClassBoth, dead(), func(e *evidence) {
			e.handled = called(recordBegun, recordDone)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.spoil(c.evidence)
			v := check(c.evidence)
			if v.Passed || len(v.Violations) != 1 || !v.Has(c.class) {
				t.Errorf("%v; want one, %s", v.Violations, c.class)
			}
		})
	}
}

func TestUnsettledIsNoPass(t *testing.T) {
	t.Parallel()
	e := good()
	e.unsettled = errors.New("events wait")
	if v := check(e); v.Passed {
		t.Error("passed")
	}
}

// TestInFlight: a kill holds what was in work there, and the server's also what was acknowledged just before.
func TestInFlight(t *testing.T) {
	t.Parallel()
	cfg := Config{Concurrency: 8}
	handled := []record{
		said(recordDone, "", "old", 9.5), said(recordDone, "", "forgotten", 9.95), said(recordDone, "", "later", 10.1),
		said(recordBegun, "", "in work", 9.99),
	}
	for name, c := range map[string]struct {
		action Action
		want   int
	}{
		"server":    {killed(serverName, 10), 17},
		"sidecar":   {killed("sidecar-0", 10), 8},
		"handler":   {killed("handler-0", 10), 8},
		"host":      {killed(hostName, 10), 16},
		"bridge":    {killed(bridgeName, 10), 0},
		"link":      {Action{Target: "sidecar-0", Fault: FaultMute}, 16},
		"slow link": {Action{Target: "sidecar-0", Fault: FaultSlow}, 0},
		"not done":  {Action{Target: "sidecar-0", Fault: FaultKill, Result: "it does not run"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := inFlight([]Action{c.action}, cfg, handled); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}
