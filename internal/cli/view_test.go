package cli

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// fakeHost hosts functions in the order they are in.
type fakeHost struct {
	host
	list []supervisor.Status
}

func (h fakeHost) List() []supervisor.Status { return h.list }

func TestFunctionsAreListedByNamespaceAndName(t *testing.T) {
	t.Parallel()
	// As text, the middle two would stand before the first: "a-b/x" < "a/x", and the default namespace is not written.
	want := []function.Key{
		{Namespace: "a", Name: "x"},
		{Namespace: "a-b", Name: "x"},
		{Namespace: "default", Name: "a"},
		{Namespace: "default", Name: "b"},
		{Namespace: "e", Name: "a"},
	}
	var h fakeHost
	for _, key := range slices.Backward(want) {
		h.list = append(h.list, supervisor.Status{Key: key})
	}
	c := control{host: h, reloads: newReloads()}
	var got []function.Key
	for _, v := range c.views() {
		got = append(got, v.key())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestKeysOfJSONAreCamelCase looks at what commands print under -o json, with every field filled.
func TestKeysOfJSONAreCamelCase(t *testing.T) {
	t.Parallel()
	now := time.Now()
	fn := &function.Function{Metadata: function.Metadata{Name: "hello", Namespace: "default"}}
	view := viewOf(supervisor.Status{
		Function: fn, Key: fn.Key(), DecidedAt: now, ServiceTime: 1, LastRun: now, QueueError: "x",
		Replicas: []supervisor.ReplicaStatus{{PID: 1, Address: "x", Paused: true, Resting: "x"}}, NextStart: now, Backoff: "x",
		LastExit: &supervisor.Exit{Signal: "x", Stderr: []string{"x"}}, LastStart: &supervisor.StartTimes{},
		Build: &supervisor.BuildStatus{Duration: 1, Error: "x", Output: []string{"x"}}, SetupError: "x", Muted: []string{"x"},
	})
	view.ChangedAt, view.Refused = now, &refusal{Files: []string{"x"}}
	for name, v := range map[string]any{
		"functions": view, "run": someRun(), "letter": deadletter.Letter{Error: "x", Data: []byte("x")},
		"ready": ready{Functions: []readyFunction{{Problem: "x"}}}, "sent": sent{}, "invocation": invocation{},
		"validation": validation{Problems: []function.Problem{{}}}, "diagnosis": diagnosis{Checks: []check{{}}},
		"state": upState{}, "bulk": bulkResult{Failed: []bulkFailure{{}}},
	} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range jsonKey.FindAllSubmatch(data, -1) {
			if !camelCase.Match(key[1]) {
				t.Errorf("%s: key %s in %s", name, key[1], data)
			}
		}
	}
}

var (
	jsonKey   = regexp.MustCompile(`"([^"]*)":`)
	camelCase = regexp.MustCompile(`^[a-z]+([A-Z0-9]+[a-z]*)*$`)
)
