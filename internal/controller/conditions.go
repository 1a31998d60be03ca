package controller

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
)

// startGrace is how long a function may take to get its first replica. One that is to be at zero while it has nothing to do is called
// ready meanwhile; one that is always to have replicas is not, as nobody has seen it run.
const startGrace = time.Minute

func condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}

// workload says how the Deployment of a function stands, nil if it has not been seen yet as it is wanted, and for how long that
// is so at least if it ends by itself. least is how many replicas there always are to be.
func workload(deployment *unstructured.Unstructured, least int, now time.Time) (metav1.Condition, time.Duration) {
	with := func(status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return condition(v1alpha1.WorkloadReady, status, reason, message)
	}
	if deployment == nil {
		return with(metav1.ConditionUnknown, v1alpha1.ReasonWaiting, "the Deployment is not there yet as it is wanted"), 0
	}
	n := numbersOf(deployment)
	available, progressing, failure := v1alpha1.ConditionOf(deployment, "Available"), v1alpha1.ConditionOf(deployment, "Progressing"), v1alpha1.ConditionOf(deployment, "ReplicaFailure")
	switch {
	case failure.Status == metav1.ConditionTrue:
		return with(metav1.ConditionFalse, v1alpha1.ReasonStalled, failure.Message), 0
	case progressing.Status == metav1.ConditionFalse:
		return with(metav1.ConditionFalse, v1alpha1.ReasonStalled, progressing.Message), 0
	case n.observed < deployment.GetGeneration():
		return with(metav1.ConditionUnknown, v1alpha1.ReasonWaiting, "the Deployment has not been looked at since its last change"), 0
	case n.updated < n.replicas:
		return with(metav1.ConditionFalse, v1alpha1.ReasonRollingOut,
			fmt.Sprintf("%d of %d replicas run what the manifest says", n.updated, n.replicas)), 0
	case n.wanted == 0:
		return with(metav1.ConditionTrue, v1alpha1.ReasonIdle, "no replica is wanted now"), 0
	case n.available > 0:
		return with(metav1.ConditionTrue, v1alpha1.ReasonAvailable, fmt.Sprintf("%d of %d replicas are ready", n.available, n.wanted)), 0
	}
	if left := startGrace - now.Sub(available.LastTransitionTime.Time); left > 0 {
		status := metav1.ConditionTrue
		if least > 0 {
			status = metav1.ConditionFalse
		}
		return with(status, v1alpha1.ReasonStarting, "the first replica is being started"), left
	}
	return with(metav1.ConditionFalse, v1alpha1.ReasonStalled,
		fmt.Sprintf("no replica has become ready within %v (look at its pods: kubectl describe pods -l %s=%s)",
			startGrace, desired.FunctionLabel, deployment.GetLabels()[desired.FunctionLabel])), 0
}

// numbers are those of a Deployment.
type numbers struct{ wanted, replicas, updated, available, observed int64 }

func numbersOf(deployment *unstructured.Unstructured) numbers {
	number := func(fields ...string) int64 {
		n, _, _ := unstructured.NestedInt64(deployment.Object, fields...)
		return n
	}
	return numbers{
		number("spec", "replicas"), number("status", "replicas"), number("status", "updatedReplicas"),
		number("status", "availableReplicas"), number("status", "observedGeneration"),
	}
}

// isRolledOut reports whether no pod is left that runs what an earlier manifest said.
func isRolledOut(deployment *unstructured.Unstructured) bool {
	if deployment == nil {
		return false
	}
	n := numbersOf(deployment)
	return n.observed >= deployment.GetGeneration() && n.updated == n.replicas
}
