package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// The states of a replica, as a status writes them.
const (
	replicaStarting = "starting"
	replicaReady    = "ready"
)

// longStart is how long a start may take before it looks like one that never ends.
const longStart = 3 * time.Second

// replicas says what became of the decision.
func (w *whyFunction) replicas() check {
	s := w.view.Status
	c := check{Name: "replicas", State: checkOK}
	c.Detail = fmt.Sprintf("%d ready, %d starting, %d on their way out", s.Ready, s.Starting, s.Draining)
	paused := slices.IndexFunc(s.Replicas, func(r supervisor.ReplicaStatus) bool { return r.Paused })
	resting := slices.IndexFunc(s.Replicas, func(r supervisor.ReplicaStatus) bool { return r.Resting != "" })
	slow := w.slowStart()
	switch e := s.LastExit; {
	case slow != nil:
		c.State, c.Detail, c.Try = checkFail, w.startText(slow), w.startHint()
	case e != nil && s.Ready == 0 && s.Wanted > 0:
		c.State, c.Lines = checkFail, e.Stderr
		c.Detail = fmt.Sprintf("none is ready; the last one ended %s: %s", ago(e.At, w.now), e.Reason)
		if s.Backoff != "" {
			c.Detail += "; the next start waits: " + s.Backoff
		}
	case paused >= 0:
		c.State, c.Detail = checkFail, s.Replicas[paused].Name+" has stopped accepting calls"
	case resting >= 0:
		r := s.Replicas[resting]
		c.State, c.Detail = checkFail, r.Name+" asks for no events: "+oneLine(r.Resting, 300)
		c.Try = "mend what the handler calls; what waits keeps its attempts"
	case e != nil:
		c.State, c.Lines = checkNote, e.Stderr
		c.Detail += fmt.Sprintf("; one ended by itself %s: %s", ago(e.At, w.now), e.Reason)
	}
	return c
}

// slowStart returns the replica that has been starting for long, if none is ready.
func (w *whyFunction) slowStart() *supervisor.ReplicaStatus {
	s := w.view.Status
	if s.Ready > 0 {
		return nil
	}
	for i, r := range s.Replicas {
		if r.State == replicaStarting && w.now.Sub(r.StartedAt) > longStart {
			return &s.Replicas[i]
		}
	}
	return nil
}

func (w *whyFunction) startText(r *supervisor.ReplicaStatus) string {
	text := fmt.Sprintf("a replica has been starting for %s", w.now.Sub(r.StartedAt).Round(time.Second))
	if w.view.Status.Due > 0 {
		text = plural(w.view.Status.Due, "event") + " due; " + text
	}
	switch {
	case r.PID == 0:
		return text + ": its process does not run yet"
	case w.view.Protocol == string(function.ProtocolStream):
		text += ": nothing has connected to " + r.Address + " yet"
	default:
		text += ": nothing listens on " + r.Address + " yet"
	}
	return text + fmt.Sprintf(" (gives up after %s)", supervisor.DefaultStartTimeout)
}

// startHint says what the handler has to do.
func (w *whyFunction) startHint() string {
	switch {
	case w.view.Protocol == string(function.ProtocolStream):
		return "the handler must connect to the socket $PELTON_SOCKET"
	case w.view.Manifest != nil && w.view.Manifest.Spec.Handler.Listen == function.ListenUnix:
		return "the handler must listen on the socket $PELTON_SOCKET"
	default:
		return "the handler must listen on 127.0.0.1:$PORT"
	}
}
