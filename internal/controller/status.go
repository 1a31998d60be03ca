package controller

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
)

// report is what one reconciliation finds out. Conditions that it does not come to stay as they were.
type report struct {
	replicas   int32
	held       *int32
	conditions []metav1.Condition
}

func (r *report) set(c metav1.Condition) { r.conditions = append(r.conditions, c) }

// of returns a condition that was set, nil if it was not.
func (r *report) of(kind string) *metav1.Condition {
	for i := range r.conditions {
		if r.conditions[i].Type == kind {
			return &r.conditions[i]
		}
	}
	return nil
}

// statusOf reads the status of a Function.
func statusOf(o *unstructured.Unstructured) (v1alpha1.Status, error) {
	var s v1alpha1.Status
	fields, found, err := unstructured.NestedMap(o.Object, "status")
	if err == nil && found {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	return s, nil
}

// next is the status after a report.
func next(old v1alpha1.Status, generation int64, r report) v1alpha1.Status {
	s := *old.DeepCopy()
	s.ObservedGeneration, s.Replicas, s.HeldReplicas = generation, r.replicas, r.held
	for _, c := range r.conditions {
		c.ObservedGeneration = generation
		if known := apimeta.FindStatusCondition(s.Conditions, c.Type); isAbout(known, old, generation, r.held) &&
			c.Status == metav1.ConditionUnknown && c.Reason == v1alpha1.ReasonWaiting {
			continue // between a change of replicas and the next look at them nothing is known for a moment, and nothing is wrong
		}
		apimeta.SetStatusCondition(&s.Conditions, c)
	}
	for _, kind := range []string{
		v1alpha1.Accepted, v1alpha1.StreamReady, v1alpha1.WorkloadReady, v1alpha1.ScalerReady, v1alpha1.Active,
	} {
		if apimeta.FindStatusCondition(s.Conditions, kind) == nil {
			c := condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonWaiting, "it was not come to yet")
			c.ObservedGeneration = generation
			apimeta.SetStatusCondition(&s.Conditions, c)
		}
	}
	ready := summary(s.Conditions, generation)
	ready.ObservedGeneration = generation
	apimeta.SetStatusCondition(&s.Conditions, ready)
	return s
}

// isAbout reports whether a condition of an earlier status is about what is wanted now: the manifest, and who holds the replicas.
func isAbout(c *metav1.Condition, old v1alpha1.Status, generation int64, held *int32) bool {
	return c != nil && c.ObservedGeneration == generation && equality.Semantic.DeepEqual(old.HeldReplicas, held)
}

// leaving is the status of a Function that is being deleted. All but Ready stays as it was seen last.
func leaving(old v1alpha1.Status, generation int64, message string) v1alpha1.Status {
	s := *old.DeepCopy()
	s.ObservedGeneration = generation
	c := condition(v1alpha1.Ready, metav1.ConditionFalse, v1alpha1.ReasonDeleting, message)
	c.ObservedGeneration = generation
	apimeta.SetStatusCondition(&s.Conditions, c)
	return s
}

// summary is the first condition that keeps a function from being ready, under the name of Ready. What was true of an earlier
// manifest says nothing of this one: a reconciliation that broke off did not come to it.
func summary(conditions []metav1.Condition, generation int64) metav1.Condition {
	for _, kind := range []string{v1alpha1.Accepted, v1alpha1.StreamReady, v1alpha1.WorkloadReady, v1alpha1.ScalerReady} {
		c := apimeta.FindStatusCondition(conditions, kind)
		switch {
		case c == nil:
		case c.Status != metav1.ConditionTrue:
			return condition(v1alpha1.Ready, metav1.ConditionFalse, c.Reason, c.Message)
		case c.ObservedGeneration != generation:
			return condition(v1alpha1.Ready, metav1.ConditionFalse, v1alpha1.ReasonWaiting,
				"it is not known yet how this manifest stands: "+kind+" is that of an earlier one")
		}
	}
	return condition(v1alpha1.Ready, metav1.ConditionTrue, v1alpha1.ReasonReady, "events are kept for it, and start it")
}

// writeStatus writes what has changed of the status, and nothing if nothing has.
func writeStatus(ctx context.Context, c client.Client, o *unstructured.Unstructured, after func(v1alpha1.Status) v1alpha1.Status) error {
	old, err := statusOf(o)
	if err != nil {
		return err
	}
	now := after(old)
	if equality.Semantic.DeepEqual(old, now) {
		return nil
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&now)
	if err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	changed := o.DeepCopy()
	changed.Object["status"] = fields
	if err := c.Status().Patch(ctx, changed, client.MergeFrom(o), client.FieldOwner(fieldOwner)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}
