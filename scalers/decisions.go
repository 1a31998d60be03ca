package scalers

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/decision"
	"github.com/pelton-dev/pelton/internal/demand"
)

// Object is what is told of the answers to one ScaledObject.
type Object = decision.Object

// Decision is one answer.
type Decision = decision.Decision

// The calls that decisions are made for.
const (
	callIsActive   = decision.IsActive
	callMetrics    = decision.Metrics
	callMetricSpec = decision.MetricSpec
	callPushed     = decision.ActivityPushed
	callSpecPushed = decision.TargetPushed
	callRefused    = decision.Refused
)

// maxDecisions is how many are kept of one ScaledObject.
const maxDecisions = 16

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
		if last.Same(&d) {
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
