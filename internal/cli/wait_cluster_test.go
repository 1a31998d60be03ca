package cli

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/desired"
)

// TestSeenSinceTheChange counts nothing that the controller has said of an earlier manifest, or before somebody held or let go of
// the replicas.
func TestSeenSinceTheChange(t *testing.T) {
	t.Parallel()
	function := func(generation, observed, activeOf int64, told string, seen any) *unstructured.Unstructured {
		status := map[string]any{"observedGeneration": observed, "replicas": int64(0), "conditions": []any{
			map[string]any{"type": "Ready", "status": "True", "reason": "Ready", "observedGeneration": observed},
			map[string]any{"type": "Active", "status": "False", "reason": "Idle", "observedGeneration": activeOf},
		}}
		if seen != nil {
			status["heldReplicas"] = seen
		}
		o := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"generation": generation}, "status": status}}
		if told != "" {
			o.SetAnnotations(map[string]string{desired.HeldAnnotation: told})
		}
		return o
	}
	for name, c := range map[string]struct {
		o    *unstructured.Unstructured
		want string
	}{
		"as it is":             {function(2, 2, 2, "", nil), "ready idle"},
		"another manifest":     {function(3, 2, 2, "", nil), ""},
		"a look that broke":    {function(3, 3, 2, "", nil), "ready"},
		"paused, and not seen": {function(2, 2, 2, "0", nil), ""},
		"held, and seen":       {function(2, 2, 2, "0", int64(0)), "ready idle"},
		"held elsewhere":       {function(2, 2, 2, "3", int64(0)), ""},
		"resumed":              {function(2, 2, 2, "", int64(0)), ""},
		"held at nonsense":     {function(2, 2, 2, "many", nil), "ready idle"},
	} {
		s, got := readiness(c.o), ""
		for _, what := range []string{forReady, forIdle} {
			if s.is(what) {
				got += " " + what
			}
		}
		if want := c.want; got != "" && got[1:] != want || got == "" && want != "" {
			t.Errorf("%s: it is%s, want %s", name, fmt.Sprintf("%q", got), want)
		}
	}
}
