package faults

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// crowdSlack is how long a call may seem to go on that its sidecar has given up: the handler has to learn of it.
const crowdSlack = time.Second

// span is how long a call ran, as its handler saw it.
type span struct {
	from, to time.Time
	event    key
}

// judgeCrowds counts the calls that ran at one time. A host that starts a replica beside one that lives is found by this: each
// of them holds to its concurrency, and together they do not.
func (c *checker) judgeCrowds() {
	if c.room == 0 {
		return
	}
	if most, at, event := crowd(spans(c.handled)); most > c.room {
		detail := fmt.Sprintf("%d calls at one time (%s), and there is room for %d", most, at.Format(time.RFC3339Nano), c.room)
		c.find(ClassCrowded, event, detail)
	}
}

// spans puts beginning and end of each call together. A call whose end nobody wrote down ends with the last word of its
// process: it is not counted for longer than it is known to have run.
func spans(records []record) []span {
	type call struct {
		process, attempt int
		event            key
	}
	open, last := map[call][]time.Time{}, map[int]time.Time{}
	var all []span
	for i := range records {
		r := &records[i]
		id := call{r.Process, r.Attempt, r.key()}
		if r.At.After(last[r.Process]) {
			last[r.Process] = r.At
		}
		if r.Kind == recordBegun {
			open[id] = append(open[id], r.At)
		} else if begun := open[id]; len(begun) > 0 {
			all = append(all, span{begun[0], r.At, id.event})
			open[id] = begun[1:]
		}
	}
	for id, begun := range open {
		for _, from := range begun {
			all = append(all, span{from, last[id.process], id.event})
		}
	}
	return all
}

// crowd is how many calls ran at one time at most, when that was, and the event whose call was the last to come.
func crowd(all []span) (most int, at time.Time, event key) {
	type step struct {
		at    time.Time
		by    int
		event key
	}
	var steps []step
	for _, s := range all {
		if to := s.to.Add(-crowdSlack); to.After(s.from) {
			steps = append(steps, step{s.from, 1, s.event}, step{to, -1, s.event})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	now := 0
	for _, s := range steps {
		if now += s.by; now > most {
			most, at, event = now, s.at, s.event
		}
	}
	return most, at, event
}
