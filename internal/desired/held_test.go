package desired_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// TestHeldReplicas are told to KEDA, and to nobody else: pods go on running what they run.
func TestHeldReplicas(t *testing.T) {
	t.Parallel()
	const keda = "autoscaling.keda.sh/paused-replicas"
	fn := goldenFunction(t, "minimal")
	before := objectsOf(t, fn, usualSettings())
	if got := only(t, before, "ScaledObject").GetAnnotations(); got[keda] != "" {
		t.Errorf("held by nobody, and yet %v", got)
	}
	for _, n := range []string{"0", "3"} {
		fn.Metadata.Annotations = map[string]string{desired.HeldAnnotation: n}
		for i, o := range objectsOf(t, fn, usualSettings()) {
			if o.GetKind() == "ScaledObject" {
				if got := o.GetAnnotations()[keda]; got != n {
					t.Errorf("held at %s: KEDA is told %q", n, got)
				}
			} else if name := before[i].GetName(); name != o.GetName() {
				t.Errorf("%s %s was %s: pods would be replaced", o.GetKind(), o.GetName(), name)
			}
		}
	}
}

// TestHeldBadly is a problem that is told as those of the manifest are.
func TestHeldBadly(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "-1", "many", "1.5", "99999999999999999999"} {
		fn := goldenFunction(t, "minimal")
		fn.Metadata.Annotations = map[string]string{desired.HeldAnnotation: text}
		_, err := desired.Objects(fn, usualSettings())
		invalid, ok := errors.AsType[*function.Invalid](err)
		if !ok || len(invalid.Problems) != 1 || !strings.Contains(invalid.Problems[0].Path, desired.HeldAnnotation) ||
			invalid.Problems[0].Hint == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}
