package controller

import (
	"context"
	"fmt"
	"strconv"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// doubtWait is between looks at a function of which KEDA and NATS do not say the same, and doubtTimeout bounds one.
const (
	doubtWait    = 5 * time.Second
	doubtTimeout = 5 * time.Second
)

// scaler says whether KEDA watches the function, and whether it has seen work for it.
func scaler(scaledObject, deployment *unstructured.Unstructured) (ready, active metav1.Condition) {
	ready = condition(v1alpha1.ScalerReady, metav1.ConditionUnknown, v1alpha1.ReasonWaiting, "KEDA has not looked at the ScaledObject yet")
	active = condition(v1alpha1.Active, metav1.ConditionUnknown, v1alpha1.ReasonWaiting, "KEDA has not asked the scaler yet")
	if scaledObject == nil {
		return ready, active
	}
	paused := v1alpha1.ConditionOf(scaledObject, "Paused").Status == metav1.ConditionTrue
	c := v1alpha1.ConditionOf(scaledObject, "Ready")
	switch late := lateHold(scaledObject, deployment, paused); {
	case late != "" && c.Status != metav1.ConditionFalse:
		ready = condition(v1alpha1.ScalerReady, metav1.ConditionFalse, v1alpha1.ReasonWaiting, late)
	case paused && late == "":
		ready = condition(v1alpha1.ScalerReady, metav1.ConditionTrue, v1alpha1.ReasonHeld,
			"the number of replicas is held, whatever waits (pelton functions resume)")
	case c.Status == metav1.ConditionTrue:
		ready = condition(v1alpha1.ScalerReady, metav1.ConditionTrue, v1alpha1.ReasonWatched, "KEDA watches the function")
	case c.Status == metav1.ConditionFalse:
		ready = condition(v1alpha1.ScalerReady, metav1.ConditionFalse, v1alpha1.ReasonNotWatched, "KEDA: "+c.Message)
	}
	if paused { // KEDA asks nobody meanwhile, and what it says of work is from before
		active = condition(v1alpha1.Active, metav1.ConditionUnknown, v1alpha1.ReasonHeld,
			"nobody asks whether work waits while the number of replicas is held")
		return ready, active
	}
	switch v1alpha1.ConditionOf(scaledObject, "Active").Status {
	case metav1.ConditionTrue:
		active = condition(v1alpha1.Active, metav1.ConditionTrue, v1alpha1.ReasonWorking, "events wait or are handled")
	case metav1.ConditionFalse:
		active = condition(v1alpha1.Active, metav1.ConditionFalse, v1alpha1.ReasonIdle, "nothing waits")
	}
	return ready, active
}

// lateHold says what KEDA has not done yet of what the ScaledObject asks for, to hold the number of replicas or to let go of it.
func lateHold(scaledObject, deployment *unstructured.Unstructured, paused bool) string {
	n, held := desired.HeldByKEDA(scaledObject.GetAnnotations())
	switch {
	case held && !paused:
		return "KEDA does not hold the number of replicas yet"
	case !held && paused && !desired.PausedByHand(scaledObject.GetAnnotations()):
		return "KEDA has not let go of the number of replicas yet"
	case held && deployment != nil && strconv.FormatInt(numbersOf(deployment).wanted, 10) != n:
		return fmt.Sprintf("KEDA has not brought it to %s replicas yet", n)
	}
	return ""
}

// heldOf is the number of replicas that a Function is held at, nil if it is not.
func heldOf(o *unstructured.Unstructured) *int32 {
	n, held, err := desired.Held(o.GetAnnotations())
	if err != nil || !held {
		return nil
	}
	return new(int32(n))
}

// doubts compares what KEDA says of work with what NATS holds, if KEDA may have said it before the manifest or the holding of
// replicas was changed: KEDA does not tell when it has asked. Where they differ, nothing is known, and it reports true. What was
// known after the change is not asked for again.
func (r *reconciler) doubts(ctx context.Context, fn *function.Function, old v1alpha1.Status, generation int64, rep *report) bool {
	known, now := apimeta.FindStatusCondition(old.Conditions, v1alpha1.Active), rep.of(v1alpha1.Active)
	if now == nil || now.Status == metav1.ConditionUnknown ||
		isAbout(known, old, generation, rep.held) && known.Status != metav1.ConditionUnknown {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, doubtTimeout)
	defer cancel()
	due, inFlight, err := depthOf(ctx, r.queues.js, stream.ConsumersOf(fn))
	if err == nil && (due+inFlight > 0) == (now.Status == metav1.ConditionTrue) {
		return false
	}
	*now = condition(v1alpha1.Active, metav1.ConditionUnknown, v1alpha1.ReasonWaiting,
		"KEDA has not asked the scaler since the last change")
	return true
}
