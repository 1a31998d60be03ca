package faults_test

import (
	"flag"
	"testing"

	"github.com/pelton-dev/pelton/internal/faults"
)

// herd is how many events wait in TestStampede. With 100,000 it takes a machine that has nothing else to do.
var herd = flag.Int("herd", 10_000, "how many events wait in TestStampede")

// TestStampede has events wait for a function at zero, and starts ten replicas at once. Each event is called once, and the
// server sees no more connections and requests than it takes: a sidecar keeps its one connection, asks for many events in one
// request, and has at most a few requests open.
func TestStampede(t *testing.T) {
	t.Parallel()
	run := newRun(t, 1)
	h, err := faults.Stampede(t.Context(), faults.HerdConfig{
		Events: *herd, Self: run.Self, Programs: run.Programs, Dir: run.Dir, Out: run.Out,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(h)
	if h.Calls != h.Events || h.Done != h.Events {
		t.Errorf("%d calls, %d events done, want %d of both", h.Calls, h.Done, h.Events)
	}
	if h.Connections > 3*h.Replicas || h.Requests > h.Events || h.Open > 4*h.Replicas {
		t.Errorf("%d connections, %d requests, %d of them open at one time: a storm", h.Connections, h.Requests, h.Open)
	}
}
