package controller

import (
	"errors"
	"strings"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// made is a Deployment of generation 2 that was last looked at in generation observed.
func made(observed, wanted, replicas, updated, available int64, conditions ...any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"generation": int64(2)},
		"spec":     map[string]any{"replicas": wanted},
		"status": map[string]any{
			"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available,
			"conditions": conditions,
		},
	}}
}

func stands(kind, status string, since time.Duration) map[string]any {
	at := noon.Add(-since).Format(time.RFC3339)
	return map[string]any{"type": kind, "status": status, "message": "because", "lastTransitionTime": at}
}

func TestWorkload(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deployment *unstructured.Unstructured
		status     metav1.ConditionStatus
		reason     string
		again      time.Duration
		least      int
	}{
		"none":         {nil, "Unknown", v1alpha1.ReasonWaiting, 0, 0},
		"changed":      {made(1, 1, 1, 1, 1), "Unknown", v1alpha1.ReasonWaiting, 0, 0},
		"idle":         {made(2, 0, 0, 0, 0), "True", v1alpha1.ReasonIdle, 0, 0},
		"works":        {made(2, 5, 5, 5, 1), "True", v1alpha1.ReasonAvailable, 0, 0},
		"rolls out":    {made(2, 2, 3, 1, 2), "False", v1alpha1.ReasonRollingOut, 0, 0},
		"starts":       {made(2, 1, 1, 1, 0, stands("Available", "False", 20*time.Second)), "True", v1alpha1.ReasonStarting, 40 * time.Second, 0},
		"must start":   {made(2, 1, 1, 1, 0, stands("Available", "False", 20*time.Second)), "False", v1alpha1.ReasonStarting, 40 * time.Second, 1},
		"never starts": {made(2, 1, 1, 1, 0, stands("Available", "False", time.Hour)), "False", v1alpha1.ReasonStalled, 0, 0},
		"stuck":        {made(2, 1, 2, 1, 1, stands("Progressing", "False", 0)), "False", v1alpha1.ReasonStalled, 0, 0},
		"refused":      {made(2, 1, 0, 0, 0, stands("ReplicaFailure", "True", 0)), "False", v1alpha1.ReasonStalled, 0, 0},
	} {
		got, again := workload(c.deployment, c.least, noon)
		if got.Status != c.status || got.Reason != c.reason || again != c.again || got.Message == "" {
			t.Errorf("%s: %+v, again in %v", name, got, again)
		}
	}
}

func TestScaler(t *testing.T) {
	t.Parallel()
	object := func(ready, active string) *unstructured.Unstructured {
		return made(0, 0, 0, 0, 0, stands("Ready", ready, 0), stands("Active", active, 0))
	}
	paused := func(ready string) *unstructured.Unstructured {
		return made(0, 0, 0, 0, 0, stands("Ready", ready, 0), stands("Active", "False", 0), stands("Paused", "True", 0))
	}
	for name, c := range map[string]struct {
		object        *unstructured.Unstructured
		ready, active string
		held          string // what the ScaledObject asks for
		wanted        int64  // replicas of the Deployment
	}{
		"none":                 {object: nil, ready: "Unknown Waiting", active: "Unknown Waiting"},
		"unknown":              {object: object("Unknown", "Unknown"), ready: "Unknown Waiting", active: "Unknown Waiting"},
		"idle":                 {object: object("True", "False"), ready: "True Watched", active: "False Idle"},
		"working":              {object: object("True", "True"), ready: "True Watched", active: "True Working"},
		"broken":               {object: object("False", "False"), ready: "False NotWatched", active: "False Idle"},
		"held":                 {object: paused("True"), held: "0", ready: "True Held", active: "Unknown Held"},
		"held, and not yet":    {object: object("True", "False"), held: "0", ready: "False Waiting", active: "False Idle"},
		"held, not at that":    {object: paused("True"), held: "3", wanted: 2, ready: "False Waiting", active: "Unknown Held"},
		"held at that":         {object: paused("True"), held: "3", wanted: 3, ready: "True Held", active: "Unknown Held"},
		"let go, and not yet":  {object: paused("True"), ready: "False Waiting", active: "Unknown Held"},
		"paused by hand":       {object: paused("True"), held: "by hand", ready: "True Held", active: "Unknown Held"},
		"held, and KEDA fails": {object: paused("False"), held: "3", wanted: 2, ready: "False NotWatched", active: "Unknown Held"},
	} {
		switch c.held {
		case "":
		case "by hand":
			c.object.SetAnnotations(map[string]string{"autoscaling.keda.sh/paused": "true"})
		default:
			c.object.SetAnnotations(map[string]string{"autoscaling.keda.sh/paused-replicas": c.held})
		}
		ready, active := scaler(c.object, made(2, c.wanted, 0, 0, 0))
		if got := string(ready.Status) + " " + ready.Reason; got != c.ready {
			t.Errorf("%s: ready %s, want %s", name, got, c.ready)
		}
		if got := string(active.Status) + " " + active.Reason; got != c.active {
			t.Errorf("%s: active %s, want %s", name, got, c.active)
		}
	}
}

// TestStatusOfOneGeneration has a moment of not knowing between two looks, and then a new manifest.
func TestStatusOfOneGeneration(t *testing.T) {
	t.Parallel()
	well := report{}
	for _, kind := range []string{v1alpha1.Accepted, v1alpha1.StreamReady, v1alpha1.WorkloadReady, v1alpha1.ScalerReady} {
		well.set(condition(kind, metav1.ConditionTrue, "Fine", ""))
	}
	unknown := report{}
	unknown.set(condition(v1alpha1.WorkloadReady, metav1.ConditionUnknown, v1alpha1.ReasonWaiting, "not yet"))

	s := next(v1alpha1.Status{}, 1, report{})
	if c := apimeta.FindStatusCondition(s.Conditions, v1alpha1.Ready); c == nil || c.Status != metav1.ConditionFalse || len(s.Conditions) != 6 {
		t.Errorf("before anything is known: %+v", s.Conditions)
	}
	s = next(s, 1, well)
	if !apimeta.IsStatusConditionTrue(s.Conditions, v1alpha1.Ready) {
		t.Errorf("all is well: %+v", s.Conditions)
	}
	if s = next(s, 1, unknown); !apimeta.IsStatusConditionTrue(s.Conditions, v1alpha1.Ready) {
		t.Errorf("a moment of not knowing: %+v", s.Conditions)
	}
	held := report{}
	held.set(condition(v1alpha1.Active, metav1.ConditionTrue, v1alpha1.ReasonWorking, ""))
	s = next(s, 1, held)
	held.conditions[0].Status, held.conditions[0].Reason = metav1.ConditionUnknown, v1alpha1.ReasonHeld
	s = next(s, 1, held)
	if c := apimeta.FindStatusCondition(s.Conditions, v1alpha1.Active); c.Status != metav1.ConditionUnknown || c.Reason != v1alpha1.ReasonHeld {
		t.Errorf("held: %+v", c)
	}
	paused := unknown
	paused.held = new(int32(0))
	if s := next(s, 1, paused); apimeta.IsStatusConditionTrue(s.Conditions, v1alpha1.Ready) || s.HeldReplicas == nil {
		t.Errorf("what was known before somebody held it still counts: %+v", s)
	}
	s = next(s, 2, unknown)
	if c := apimeta.FindStatusCondition(s.Conditions, v1alpha1.Ready); c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonWaiting ||
		c.ObservedGeneration != 2 || s.ObservedGeneration != 2 {
		t.Errorf("a new manifest: %+v", c)
	}
}

// TestStatusOfALookThatBrokeOff has a new manifest that was not come to: what was true of the one before does not count for it.
func TestStatusOfALookThatBrokeOff(t *testing.T) {
	t.Parallel()
	well := report{}
	for _, kind := range []string{v1alpha1.Accepted, v1alpha1.StreamReady, v1alpha1.WorkloadReady, v1alpha1.ScalerReady} {
		well.set(condition(kind, metav1.ConditionTrue, "Fine", ""))
	}
	known := next(v1alpha1.Status{}, 1, well)
	for _, got := range [][]metav1.Condition{nil, well.conditions[:1], well.conditions[:2]} {
		s := next(known, 2, report{conditions: got})
		if c := apimeta.FindStatusCondition(s.Conditions, v1alpha1.Ready); c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonWaiting {
			t.Errorf("it got as far as %d conditions: %+v", len(got), c)
		}
		if s = next(s, 2, well); !apimeta.IsStatusConditionTrue(s.Conditions, v1alpha1.Ready) {
			t.Errorf("after a look that did not: %+v", s.Conditions)
		}
	}
}

// TestLatest knows an object that was read before it was applied.
func TestLatest(t *testing.T) {
	t.Parallel()
	owner := made(1, 0, 0, 0, 0)
	first, second := made(1, 0, 0, 0, 0), made(1, 0, 0, 0, 0)
	second.SetLabels(map[string]string{"another": "manifest"})
	if err := sign(owner, []*unstructured.Unstructured{first, second}); err != nil {
		t.Fatal(err)
	}
	if !isLatest(first, first) || isLatest(second, first) || isLatest(first, nil) {
		t.Errorf("hashes %v and %v", first.GetAnnotations(), second.GetAnnotations())
	}
}

// TestMessagesFit cuts what a condition cannot hold.
func TestMessagesFit(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("é", maxMessage), "bad \xff byte"} {
		if got := conditionMessage(errors.New(text)); len(got) > maxMessage || strings.Contains(got, "\xff") {
			t.Errorf("%d bytes of message", len(got))
		}
	}
}
