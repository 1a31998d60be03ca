package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

func TestASlowStartIsAReason(t *testing.T) {
	t.Parallel()
	now := time.Now()
	start := supervisor.ReplicaStatus{
		State: replicaStarting, PID: 7, Address: "127.0.0.1:4000", StartedAt: now.Add(-50 * time.Second),
	}
	w := whyFunction{now: now, view: functionView{Protocol: "cloudevents", Status: supervisor.Status{
		Due: 1, Wanted: 1, Starting: 1, Replicas: []supervisor.ReplicaStatus{start},
	}}}
	c := w.replicas()
	want := "1 event due; a replica has been starting for 50s: nothing listens on 127.0.0.1:4000 yet (gives up after 1m0s)"
	if c.State != checkFail || c.Detail != want || !strings.Contains(c.Try, "$PORT") {
		t.Errorf("%+v, want %q", c, want)
	}
	w.view.Protocol = string(function.ProtocolStream)
	if c := w.replicas(); !strings.Contains(c.Detail, "nothing has connected") || !strings.Contains(c.Try, "$PELTON_SOCKET") {
		t.Errorf("%+v", c)
	}
	w.view.Status.Replicas[0].PID = 0
	if c := w.replicas(); !strings.Contains(c.Detail, "its process does not run yet") {
		t.Errorf("%+v", c)
	}
	w.view.Status.Replicas[0].StartedAt = now.Add(-time.Second)
	if c := w.replicas(); c.State != checkOK {
		t.Errorf("a start of one second is %+v", c)
	}
}

func TestAReplicaThatRestsIsAReason(t *testing.T) {
	t.Parallel()
	const why = "20 events have failed one after another"
	replica := supervisor.ReplicaStatus{Name: "pay-1", State: replicaReady, Resting: why}
	w := whyFunction{view: functionView{Status: supervisor.Status{Ready: 1, Replicas: []supervisor.ReplicaStatus{{}, replica}}}}
	if c := w.replicas(); c.State != checkFail || c.Detail != "pay-1 asks for no events: "+why {
		t.Errorf("%+v", c)
	}
	var described []string
	for _, row := range statusRows(w.view.Status) {
		described = append(described, strings.Join(row, " "))
	}
	if text := strings.Join(described, "\n"); !strings.Contains(text, "rests: "+why) {
		t.Errorf("described as\n%s", text)
	}
}

func TestANewVersionThatDoesNotStartIsAReason(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := whyFunction{now: now, view: functionView{ChangedAt: now.Add(-time.Minute), Status: supervisor.Status{
		Ready: 1, Replicas: []supervisor.ReplicaStatus{{State: replicaReady, StartedAt: now.Add(-time.Hour)}},
		LastExit: &supervisor.Exit{At: now, Reason: "handler ended before it accepted calls", Stderr: []string{"SyntaxError"}},
	}}}
	c := w.handler()
	wants := []string{"the files changed at " + clock(w.view.ChangedAt), "the old one serves: handler ended before"}
	for _, want := range wants {
		if c.State != checkFail || !strings.Contains(c.Detail, want) || len(c.Lines) != 1 {
			t.Errorf("%+v, want %q", c, want)
		}
	}
	w.view.Status.Replicas[0].StartedAt = now.Add(-time.Second)
	if c := w.handler(); c.State != checkOK {
		t.Errorf("the new version runs: %+v", c)
	}
	w.view.ServesOld = true
	w.view.Status.Build = &supervisor.BuildStatus{State: supervisor.BuildFailed, At: now, Error: "exit 1"}
	if c := w.handler(); c.State != checkFail || !strings.Contains(c.Detail, "the old version serves: exit 1") {
		t.Errorf("%+v", c)
	}
}

func TestRefusedManifestsAreRemembered(t *testing.T) {
	t.Parallel()
	r := newReloads()
	var v functionView
	r.read(errors.New("route is taken"))
	if r.fill(&v); v.Refused == nil || !v.Refused.concerns("a.yaml") {
		t.Errorf("%+v", v.Refused)
	}
	r.read(&Error{Cause: &function.Invalid{Problems: []function.Problem{{File: "a.yaml", Message: "no"}}}})
	if r.fill(&v); v.Refused == nil || !v.Refused.concerns("a.yaml") || v.Refused.concerns("b.yaml") {
		t.Errorf("%+v", v.Refused)
	}
	w := whyFunction{view: functionView{File: "a.yaml", Refused: v.Refused}}
	if c := w.manifest(); c.State != checkFail || !strings.Contains(c.Detail, "the old ones serve: a.yaml") {
		t.Errorf("%+v", c)
	}
	w.view.File = "b.yaml"
	if c := w.manifest(); c.State != checkNote {
		t.Errorf("%+v", c)
	}
	r.read(nil)
	if r.fill(&v); v.Refused != nil {
		t.Errorf("mended, and yet %+v", v.Refused)
	}
}
