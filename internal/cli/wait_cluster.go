package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kube"
)

// pollEvery is how often something is looked at that is waited for.
const pollEvery = 500 * time.Millisecond

// lateError is something that did not happen in time, and how it stood last.
type lateError struct{ last string }

// Error says how it stood.
func (e *lateError) Error() string { return e.last }

// poll calls look until it has nothing to complain of any more.
func (a *app) poll(ctx context.Context, timeout time.Duration, look func(context.Context) (missing string, err error)) error {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last := "nothing is known"
	for {
		missing, err := look(waiting)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case waiting.Err() != nil:
			return &lateError{last}
		case err != nil:
			return err
		case missing == "":
			return nil
		}
		last = missing
		select {
		case <-tick.C:
		case <-waiting.Done():
		}
	}
}

// waitAll waits until all functions are ready, for the manifests that were applied.
func (a *app) waitAll(ctx context.Context, c *kube.Cluster, manifests []clusterManifest, timeout time.Duration) error {
	end := time.Now().Add(timeout)
	for _, m := range manifests {
		if err := a.waitFor(ctx, c, m.key(), forReady, max(time.Until(end), time.Second)); err != nil {
			return err
		}
	}
	return nil
}

// What `functions wait --for` waits for.
const (
	forReady  = "ready"
	forActive = "active"
	forIdle   = "idle"
)

func (a *app) waitFor(ctx context.Context, c *kube.Cluster, key function.Key, what string, timeout time.Duration) error {
	err := a.poll(ctx, timeout, func(ctx context.Context) (string, error) {
		o, err := c.Get(ctx, kube.Functions(), key.Namespace, key.Name)
		if err != nil {
			return "", explainCluster(c, "wait for function "+fullName(key), err)
		}
		s := readiness(o)
		switch r := s.condition(v1alpha1.Accepted); {
		case s.deleted:
			return "", &Error{
				Exit: ExitFailed, Message: "function " + fullName(key) + " is being deleted, and will not be " + what,
				Cause: errors.New(s.text()), Hint: "apply it again when it is gone",
			}
		case r.Status == metav1.ConditionFalse && s.current:
			return "", &Error{ // only another manifest can mend that
				Exit: ExitInvalid, Message: "function " + fullName(key) + " is refused by pelton-controller",
				Cause: errors.New(r.Message), Hint: "mend the manifest and apply it again",
			}
		case s.is(what):
			return "", nil
		default:
			return s.text(), nil
		}
	})
	if late, ok := errors.AsType[*lateError](err); ok {
		return &Error{
			Exit: ExitTimeout, Hint: "pelton why " + fullName(key),
			Message: fmt.Sprintf("function %s is not %s after %s: %s", fullName(key), what, timeout.Round(time.Second), late.last),
		}
	}
	return err
}

// clusterStatus is what the controller says of a Function.
type clusterStatus struct {
	generation int64
	current    bool // of the manifest that is there now, and of how many replicas it is to be held at
	deleted    bool
	replicas   int64
	conditions []metav1.Condition
}

// readiness reads the status of a Function.
func readiness(o *unstructured.Unstructured) clusterStatus {
	seen, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	s := clusterStatus{
		generation: o.GetGeneration(), deleted: o.GetDeletionTimestamp() != nil, conditions: v1alpha1.ConditionsOf(o),
		current: seen == o.GetGeneration() && seenHold(o),
	}
	s.replicas, _, _ = unstructured.NestedInt64(o.Object, "status", "replicas")
	return s
}

// seenHold reports whether the controller has seen at how many replicas a function is to be held, or that it is not any more: that
// is no part of the generation. It never sees a number that it refuses.
func seenHold(o *unstructured.Unstructured) bool {
	seen, told, _ := unstructured.NestedInt64(o.Object, "status", "heldReplicas")
	n, held, err := desired.Held(o.GetAnnotations())
	return err != nil || told == held && seen == int64(n)
}

// condition returns the zero value if there is none of that type.
func (s *clusterStatus) condition(kind string) metav1.Condition {
	for _, c := range s.conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}

// is reports whether a function is what is waited for. What was said of an earlier manifest does not count.
func (s *clusterStatus) is(what string) bool {
	if !s.current {
		return false
	}
	active := s.condition(v1alpha1.Active)
	switch {
	case what != forReady && active.ObservedGeneration != s.generation:
		return false
	case what == forActive:
		return active.Status == metav1.ConditionTrue
	case what == forIdle:
		return active.Status == metav1.ConditionFalse && s.replicas == 0
	default:
		return s.condition(v1alpha1.Ready).Status == metav1.ConditionTrue
	}
}

// state is the word for the status in lists: the reason that the controller gives.
func (s *clusterStatus) state() string {
	ready := s.condition(v1alpha1.Ready)
	switch {
	case s.deleted:
		return "Deleting"
	case ready.Reason == "":
		return "Unknown"
	case !s.current:
		return "Changed"
	default:
		return ready.Reason
	}
}

// text says how a function stands, for people.
func (s *clusterStatus) text() string {
	ready := s.condition(v1alpha1.Ready)
	switch {
	case s.deleted && ready.Reason == v1alpha1.ReasonDeleting:
		return ready.Message
	case s.deleted:
		return "pelton-controller has not looked at its deletion yet: does it run?"
	case ready.Type == "":
		return "pelton-controller has not looked at it yet"
	case !s.current:
		return "pelton-controller has not looked at its newest version yet"
	default:
		return fmt.Sprintf("%s: %s (%d replicas, active %s)", ready.Reason, ready.Message, s.replicas, s.condition(v1alpha1.Active).Status)
	}
}
