package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Recovery is how long it took, after kills of one kind of process, until things were as before: from the moment in which the
// process was to be started again.
type Recovery struct {
	Of    string        `json:"of"`
	Until string        `json:"until"`
	Kills int           `json:"kills"` // that could be measured: the others had another fault in between, or hit nothing
	P50   time.Duration `json:"p50"`
	P95   time.Duration `json:"p95"`
	Max   time.Duration `json:"max"`
}

// The kinds of recovery, in the order of the table.
var recoveryKinds = []struct{ of, until string }{
	{"handler", "an event is done by it"},
	{"sidecar", "all that it held is settled or begun again"},
	{serverName, "an event is done"},
	{bridgeName, "it has accepted an event"},
}

// recoveries measures the kills that were done. All but those of sidecars are left out if something else came between that
// the recovery depends on: a process that is killed again recovers from that. After the kill of a sidecar the server waits for
// so long that something always comes between.
func recoveries(done []Action, e *evidence) []Recovery {
	took := map[string][]time.Duration{}
	for i, a := range done {
		if a.Result != "" || a.Fault != FaultKill {
			continue
		}
		kind := kindOf(a.Target)
		back := a.Began.Add(a.Pause)
		at := recovered(kind, a, back, e)
		if at.IsZero() || kind != "sidecar" && disturbed(done, i, at) {
			continue
		}
		took[kind] = append(took[kind], max(0, at.Sub(back)))
	}
	var all []Recovery
	for _, k := range recoveryKinds {
		if times := took[k.of]; len(times) > 0 {
			slices.Sort(times)
			all = append(all, Recovery{
				Of: k.of, Until: k.until, Kills: len(times),
				P50: percentile(times, 50), P95: percentile(times, 95), Max: times[len(times)-1],
			})
		}
	}
	return all
}

// percentile is the smallest of sorted times that so many percent of them do not exceed.
func percentile(times []time.Duration, percent int) time.Duration {
	return times[max(0, (len(times)*percent+99)/100-1)]
}

// recovered is when things were as before, and zero if there was nothing to see.
func recovered(kind string, a Action, back time.Time, e *evidence) time.Time {
	switch kind {
	case "handler":
		return firstAfter(e.handled, back, func(r *record) bool { return r.Kind == recordDone && r.Replica == a.Target })
	case serverName:
		return firstAfter(e.handled, back, func(r *record) bool { return r.Kind == recordDone })
	case bridgeName:
		return firstAfter(e.published, back, func(r *record) bool { return r.Kind == recordAcked && r.HTTP })
	case "sidecar":
		return heldAgain(e.handled, handlerOf(a.Target), a.Began)
	}
	return time.Time{}
}

// handlerOf is the handler next to a sidecar.
func handlerOf(sidecar string) string { return strings.Replace(sidecar, "sidecar", "handler", 1) }

func firstAfter(records []record, from time.Time, is func(*record) bool) (first time.Time) {
	for i := range records {
		r := &records[i]
		if r.At.After(from) && is(r) && (first.IsZero() || r.At.Before(first)) {
			first = r.At
		}
	}
	return first
}

// longestCall is longer than any call takes. What is older is over, and not looked at.
const longestCall = 3 * time.Minute

// heldAgain is when the last of the calls that ran at a kill was begun again. An event whose outcome was recorded just before
// the kill is not begun again: it does not count.
func heldAgain(records []record, handler string, kill time.Time) (last time.Time) {
	held := map[key]bool{}
	for i := range records {
		if r := &records[i]; r.Replica == handler && r.At.Before(kill) && kill.Sub(r.At) < longestCall {
			held[r.key()] = r.Kind == recordBegun
		}
	}
	again := map[key]time.Time{}
	for i := range records {
		r := &records[i]
		if first, ok := again[r.key()]; held[r.key()] && r.Kind == recordBegun && r.At.After(kill) && (!ok || r.At.Before(first)) {
			again[r.key()] = r.At
		}
	}
	for _, at := range again {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// disturbed reports whether another fault that matters was going on between a kill and its recovery.
func disturbed(done []Action, kill int, until time.Time) bool {
	a := done[kill]
	for i, b := range done {
		matters := b.Target == serverName || b.Target == a.Target || handlerOf(b.Target) == a.Target
		if i != kill && b.Result == "" && matters && b.Fault != FaultRefuse &&
			b.Began.Before(until) && b.Began.Add(b.Pause+time.Second).After(a.Began) {
			return true
		}
	}
	return false
}

// String is a line of the table.
func (r Recovery) String() string {
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
	return fmt.Sprintf("p50 %v, p95 %v, max %v until %s", round(r.P50), round(r.P95), round(r.Max), r.Until)
}
