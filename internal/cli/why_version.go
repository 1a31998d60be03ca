package cli

import (
	"fmt"
	"strings"

	"github.com/pelton-dev/pelton/internal/supervisor"
)

// manifest says what the function is, and whether what serves is what the files say.
func (w *whyFunction) manifest() check {
	c := check{Name: "manifest", State: checkOK, Detail: w.view.File + ", " + strings.Join(w.view.Triggers, "; ")}
	r := w.view.Refused
	if r == nil {
		return c
	}
	c.State = checkNote
	if r.concerns(w.view.File) {
		c.State = checkFail
	}
	c.Detail = fmt.Sprintf("the files changed at %s and the manifests are refused; the old ones serve: %s",
		clock(r.At), r.Error)
	c.Try = "mend them: pelton up looks again when they are saved"
	return c
}

// handler says whether the newest version can be started at all.
func (w *whyFunction) handler() check {
	s := w.view.Status
	c := check{Name: "handler", State: checkOK, Detail: strings.Join(w.view.Command, " ")}
	switch b := s.Build; {
	case b != nil && b.State == supervisor.BuildFailed:
		c.State, c.Detail, c.Lines = checkFail, "its build failed: "+b.Error, b.Output
		if w.view.ServesOld {
			c.Detail = fmt.Sprintf("the files changed at %s and their build failed; the old version serves: %s",
				clock(b.At), b.Error)
		}
	case b != nil && (b.State == supervisor.BuildRunning || b.State == supervisor.BuildWaiting):
		c.State, c.Detail = checkNote, "its build is "+b.State
	case s.SetupError != "":
		c.State, c.Detail = checkFail, s.SetupError
	case w.newFails():
		c.State, c.Lines = checkFail, s.LastExit.Stderr
		c.Detail = fmt.Sprintf("the files changed at %s and the new version does not start; the old one serves: %s",
			clock(w.view.ChangedAt), s.LastExit.Reason)
	}
	return c
}

// newFails says whether replicas of an older version serve because those of the newest do not get ready.
func (w *whyFunction) newFails() bool {
	s, changed := w.view.Status, w.view.ChangedAt
	if changed.IsZero() || s.LastExit == nil || s.LastExit.Ready || s.LastExit.At.Before(changed) {
		return false
	}
	old := false
	for _, r := range s.Replicas {
		isReady := r.State == replicaReady
		old = old || isReady && r.StartedAt.Before(changed)
		if isReady && r.StartedAt.After(changed) {
			return false // a later start did
		}
	}
	return old
}
