package desired

import (
	"fmt"
	"strconv"

	"github.com/pelton-dev/pelton/internal/function"
)

// HeldAnnotation on a Function says how many replicas it has, whatever waits for it: `pelton functions scale`, `pause` and
// `resume` write and remove it. It is on the Function because there it outlives its objects, and because who may change
// functions may hold them; and it is no field of the manifest because a manifest that is applied again must not end a pause.
const HeldAnnotation = "pelton.dev/held-replicas"

// kedaHeld is what KEDA reads on a ScaledObject: it brings the target to that number, and leaves it there. kedaPaused has it leave
// the number as it is; only people write that.
const (
	kedaHeld   = "autoscaling.keda.sh/paused-replicas"
	kedaPaused = "autoscaling.keda.sh/paused"
)

// Held returns the number of replicas that a function is held at, and whether it is.
func Held(annotations map[string]string) (replicas int, held bool, err error) {
	text, held := annotations[HeldAnnotation]
	if !held {
		return 0, false, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > function.MaxReplicas {
		return 0, false, fmt.Errorf("%q is no number of replicas: want 0 to %d", text, function.MaxReplicas)
	}
	return n, true, nil
}

// heldProblem finds an annotation that nobody can obey.
func (b *blueprint) heldProblem() []function.Problem {
	if _, _, err := Held(b.fn.Metadata.Annotations); err != nil {
		return []function.Problem{{
			Path: "metadata.annotations[" + HeldAnnotation + "]", Message: err.Error(),
			Hint: "remove it, or write a number in quotes, such as \"0\"",
		}}
	}
	return nil
}

// held are the annotations of the ScaledObject of a function whose replicas are held.
func (b *blueprint) held() map[string]string {
	n, held, err := Held(b.fn.Metadata.Annotations)
	if err != nil || !held {
		return nil
	}
	return map[string]string{kedaHeld: strconv.Itoa(n)}
}

// HeldByKEDA returns the number that a ScaledObject asks KEDA to hold, and whether it does.
func HeldByKEDA(annotations map[string]string) (replicas string, held bool) {
	replicas, held = annotations[kedaHeld]
	return replicas, held
}

// PausedByHand reports whether somebody has told KEDA to leave a ScaledObject alone.
func PausedByHand(annotations map[string]string) bool { return annotations[kedaPaused] != "" }
