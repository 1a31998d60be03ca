package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/pelton-dev/pelton/internal/decision"
)

const (
	// silence is how long KEDA may not have asked: it polls every 30 seconds unless it is told otherwise.
	silence = 2 * time.Minute

	// unattendedTooLong is how long events may be due, and KEDA told so, before somebody takes them.
	unattendedTooLong = time.Minute
)

// object adds the lines about one ScaledObject.
func (w *whyScaled) object(o *decision.Object) {
	w.diag.add(w.asks(o))
	w.diag.add(w.streams(o))
	slices.SortStableFunc(o.Decisions, func(a, b decision.Decision) int { return b.Last.Compare(a.Last) })
	w.diag.add(w.errors(o.Decisions))
	w.diag.add(w.activity(o.Decisions))
	w.diag.add(w.metrics(o.Decisions))
}

// asks says whether KEDA asks at all.
func (w *whyScaled) asks(o *decision.Object) check {
	c := check{Name: "ScaledObject", State: checkOK}
	c.Detail = fmt.Sprintf("%s/%s asks for %s, last %s", o.Namespace, o.Name, o.Source, ago(o.Asked, w.now))
	if o.Source == "" {
		c.Detail = fmt.Sprintf("%s/%s asks for nothing that makes sense, last %s", o.Namespace, o.Name, ago(o.Asked, w.now))
	}
	if o.Streams == 0 && w.now.Sub(o.Asked) > silence {
		c.State = checkFail
		c.Detail += ": KEDA does not ask any more"
		c.Try = fmt.Sprintf("kubectl describe scaledobject -n %s %s; it may be gone or paused, or KEDA may not run", o.Namespace,
			o.Name)
	}
	return c
}

// streams says whether KEDA would hear at once that something is due.
func (w *whyScaled) streams(o *decision.Object) check {
	c := check{Name: "streams", State: checkOK, Detail: plural(o.Streams, "stream") + " open from KEDA"}
	if o.Streams == 0 {
		c.State, c.Detail = checkNote, "none is open: KEDA hears of events only when it polls (its trigger must be external-push)"
	}
	return c
}

// errors says what could not be answered last. It is over if anything was answered since, unless it is what the same call
// was told a moment ago.
func (w *whyScaled) errors(decisions []decision.Decision) check {
	i := slices.IndexFunc(decisions, func(d decision.Decision) bool { return d.Error != "" })
	if i < 0 {
		return check{Name: "errors", State: checkOK, Detail: "none lately"}
	}
	d := &decisions[i]
	c := check{Name: "errors", State: checkNote, Detail: fmt.Sprintf("%s %s: %s", d.Call, ago(d.Last, w.now), d.Error)}
	if d.Count > 1 {
		c.Detail += fmt.Sprintf(" (%d times)", d.Count)
	}
	stands := d.Call != decision.Refused && newest(decisions, d.Call) == d && w.now.Sub(d.Last) < silence
	if i == 0 || stands {
		c.State = checkFail
	}
	return c
}

// newest returns the last decision of some calls, nil if there is none. Decisions are in order, the newest first.
func newest(decisions []decision.Decision, calls ...string) *decision.Decision {
	for i := range decisions {
		if slices.Contains(calls, decisions[i].Call) {
			return &decisions[i]
		}
	}
	return nil
}

// activity says what KEDA was told last of whether it shall start anything, and whether that has helped.
func (w *whyScaled) activity(decisions []decision.Decision) check {
	c := check{Name: "activity", State: checkNote, Detail: "KEDA has not been told anything yet"}
	d := newest(decisions, decision.IsActive, decision.ActivityPushed)
	if d == nil || d.Error != "" {
		return c
	}
	c.State = checkOK
	word := "inactive"
	if d.Active {
		word = "active"
	}
	c.Detail = fmt.Sprintf("%s, told %s (%s): %s", word, ago(d.Last, w.now), d.Call, d.Reason)
	if since := unattendedSince(decisions); !since.IsZero() && w.now.Sub(since) > unattendedTooLong {
		c.State = checkFail
		c.Detail += fmt.Sprintf("; KEDA has known it for %s, and no replica takes them", short(w.now.Sub(since)))
		c.Try = "kubectl get pods -n " + w.key.Namespace + ": they may be missing, pending, or not ready"
	}
	return c
}

// unattendedSince is when KEDA was first told of events that nobody has taken since, or zero.
func unattendedSince(decisions []decision.Decision) time.Time {
	var since time.Time
	for _, d := range decisions {
		switch {
		case d.Call != decision.IsActive && d.Call != decision.ActivityPushed:
		case !d.Unattended || d.Error != "":
			return since
		case since.IsZero() || d.At.Before(since):
			since = d.At
		}
	}
	return since
}

// metrics says what HPA was told to compute with.
func (w *whyScaled) metrics(decisions []decision.Decision) check {
	c := check{Name: "metrics", State: checkNote, Detail: "not asked for: KEDA asks once there is a replica"}
	d := newest(decisions, decision.Metrics)
	if d == nil || d.Error != "" {
		return c
	}
	c.State = checkOK
	c.Detail = fmt.Sprintf("wants %s, told %s: %s", plural(d.Wanted, "replica"), ago(d.Last, w.now), d.Reason)
	c.Lines = []string{fmt.Sprintf("%d due, %d in flight, service time %s, value %g at %g per replica",
		d.Due, d.InFlight, serviceTime(d.ServiceTime), d.Value, d.Target)}
	return c
}

func serviceTime(seconds float64) string {
	if seconds == 0 {
		return "not measured"
	}
	return short(time.Duration(seconds * float64(time.Second)))
}

// best is the answer if no line fails.
func (w *whyScaled) best() string {
	for _, o := range w.diag.ScaledObjects {
		if d := newest(o.Decisions, decision.IsActive, decision.ActivityPushed); d != nil && d.Active {
			return "nothing is wrong: KEDA knows that " + d.Reason
		}
	}
	return "nothing is wrong: KEDA hears of it when an event is due"
}
