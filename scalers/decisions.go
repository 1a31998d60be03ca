package scalers

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/demand"
)

// The calls that decisions are made for.
const (
	callIsActive   = "IsActive"
	callMetrics    = "GetMetrics"
	callMetricSpec = "GetMetricSpec"
	callPushed     = "pushed activity"
	callSpecPushed = "pushed target"
	callRefused    = "refused"
)

// maxDecisions is how many are kept of one ScaledObject.
const maxDecisions = 16

// Object is what the scaler last decided for one ScaledObject.
type Object struct {
	Namespace string     `json:"namespace"`
	Name      string     `json:"name"`
	Source    string     `json:"source"`  // what its trigger names
	Streams   int        `json:"streams"` // open from KEDA
	Asked     time.Time  `json:"asked"`   // the last call
	Decisions []Decision `json:"decisions"`
}

// Decision is one answer, and what it was made of. Equal answers in a row are one decision.
type Decision struct {
	At          time.Time `json:"at"`    // the first time
	Last        time.Time `json:"last"`  // the last time
	Count       int       `json:"count"` // how often in a row
	Call        string    `json:"call"`
	Due         int       `json:"due"`      // events that could be given now
	InFlight    int       `json:"inFlight"` // given and not settled
	Unattended  bool      `json:"unattended,omitempty"`
	ServiceTime float64   `json:"serviceSeconds,omitempty"` // measured per event
	Active      bool      `json:"active"`
	Value       float64   `json:"value"`            // of the metric
	Target      float64   `json:"target,omitempty"` // events per replica
	Wanted      int       `json:"wanted"`           // replicas, before the ScaledObject's bounds
	Error       string    `json:"error,omitempty"`
	Reason      string    `json:"reason"` // in words
}

// record keeps a decision. a is nil for one about activity alone.
func (o *object) record(call string, w *work, err error, a *answer) {
	d := Decision{
		Call: call, Due: w.due, InFlight: w.inFlight, Unattended: w.unattended, ServiceTime: w.service.Seconds(), Active: w.active,
	}
	if a != nil {
		d.Value, d.Target, d.Wanted = a.value, a.target, a.decision.Wanted
	}
	if err != nil {
		d.Error = status.Convert(err).Message()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for i := range o.decisions {
		last := &o.decisions[i]
		if last.Call != call {
			continue
		}
		if last.same(&d) {
			last.Count, last.Last = last.Count+1, now
			return
		}
		break
	}
	d.At, d.Last, d.Count, d.Reason = now, now, 1, reasonOf(w, err, a)
	if len(o.decisions) == maxDecisions {
		o.decisions = o.decisions[:maxDecisions-1]
	}
	o.decisions = slices.Insert(o.decisions, 0, d)
}

// same reports whether two decisions differ at most in their times.
func (d *Decision) same(other *Decision) bool {
	a, b := *d, *other
	a.At, a.Last, a.Count, a.Reason = b.At, b.Last, b.Count, b.Reason
	return a == b
}

// reasonOf says in words what an answer was made of.
func reasonOf(w *work, err error, a *answer) string {
	switch {
	case err != nil:
		return "no answer: KEDA keeps what there is"
	case a != nil && a.decision != (demand.Decision{}):
		return a.decision.Reason
	case a != nil:
		return fmt.Sprintf("one replica is there for %g events", a.target)
	case w.unattended:
		return fmt.Sprintf("%d due and nobody takes them", w.due)
	case w.due+w.inFlight > 0:
		return fmt.Sprintf("%d due and %d in flight", w.due, w.inFlight)
	case w.active:
		return "events were handled a moment ago"
	default:
		return "nothing due"
	}
}
