package faults

import (
	"fmt"
	"slices"
	"time"
)

// ackLoss is how much of its time a server forgets when it is killed: it writes acknowledgements down so often.
const ackLoss = 100 * time.Millisecond

// inFlight is how many events can have been given to handlers and not settled at the faults that were done, together. So many
// may be done again, and no more.
func inFlight(actions []Action, cfg Config, handled []record) (n int) {
	for _, a := range actions {
		switch {
		case a.Result != "":
		case slices.Contains([]Fault{FaultRefuse, FaultSlow}, a.Fault): // nothing of what is in flight is lost by it
		case a.Target == publisherName, a.Target == bridgeName: // their events are not in flight yet
		case a.Target == serverName:
			n += replicas*cfg.perReplica() + doneBefore(a.Began, handled)
		case a.Target == hostName:
			n += replicas * cfg.perReplica()
		case a.Fault == FaultPoor:
			n += breaks(a.Pause) * 2 * cfg.perReplica()
		case slices.Contains(ofLinks, a.Fault):
			n += 2 * cfg.perReplica() // as much again may have been asked for, of instant handlers, and come
		default:
			n += cfg.perReplica()
		}
	}
	return n
}

// doneBefore counts what was done so shortly before a moment that its acknowledgement may be forgotten.
func doneBefore(moment time.Time, handled []record) (n int) {
	for i := range handled {
		if age := moment.Sub(handled[i].At); handled[i].Kind == recordDone && age >= 0 && age <= ackLoss {
			n++
		}
	}
	return n
}

// judgeBound wants no more done again than the faults explain.
func (c *checker) judgeBound() {
	if done := c.v.Counts.Duplicates; c.faults > 0 && done > c.held {
		c.note(ClassDuplicate, key{}, fmt.Sprintf("%d were done again, and at most %d were in flight at the faults", done, c.held))
	}
}
