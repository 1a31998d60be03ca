package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// removeWait is between looks at a deletion that is not through.
const removeWait = time.Second

// remove ends what runs, takes the function off NATS, and lets the Function go. Neither pods that do not end nor a NATS that is
// away can hold it for ever: after a while it goes, and what stays behind is logged. Until then its status says what it waits for.
func (r *reconciler) remove(ctx context.Context, o *unstructured.Unstructured) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(o, Finalizer) {
		return reconcile.Result{}, nil
	}
	end := o.GetDeletionTimestamp().Add(r.patience)
	waits, err := r.takeOff(ctx, o, end)
	if waits == "" && err == nil {
		return reconcile.Result{}, r.release(ctx, o)
	}
	if err != nil {
		waits = "the cluster or NATS refuses something, which is tried again: " + err.Error()
	}
	message := conditionMessage(fmt.Errorf("%s (it goes by %s at the latest, whatever is left)", waits, end.UTC().Format(time.RFC3339)))
	statusErr := writeStatus(ctx, r.client, o, func(old v1alpha1.Status) v1alpha1.Status {
		return leaving(old, o.GetGeneration(), message)
	})
	return reconcile.Result{RequeueAfter: removeWait}, errors.Join(err, statusErr)
}

// takeOff goes on with a deletion, and returns what is waited for, "" if the Function may go.
func (r *reconciler) takeOff(ctx context.Context, o *unstructured.Unstructured, end time.Time) (waits string, err error) {
	late := time.Now().After(end)
	running, err := r.endWorkload(ctx, o)
	switch {
	case err != nil:
		return "", err
	case running && !late:
		return "its pods end first, with the calls that they have begun", nil
	}
	key := function.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
	fn, _ := desired.Read(o) // nil if it is invalid
	left, err := r.queues.remove(ctx, key, onDelete(o), fn)
	switch {
	case late && err == nil && left > 0:
		err = fmt.Errorf("events that wait are not all dead letters after %v: %d are left", r.patience, left)
		fallthrough
	case late && err != nil:
		r.gaveUp(key, err)
		return "", nil
	case errors.Is(err, errNotConnected):
		return "NATS is away, and may hold something for it", nil
	case err != nil:
		return "", err
	case left > 0:
		return fmt.Sprintf("events that wait for it become dead letters, as its onDelete says: %d are left", left), nil
	}
	return "", nil
}

// release lets a Function go.
func (r *reconciler) release(ctx context.Context, o *unstructured.Unstructured) error {
	r.credentials.forget(function.Key{Namespace: o.GetNamespace(), Name: o.GetName()})
	before := o.DeepCopy()
	controllerutil.RemoveFinalizer(o, Finalizer)
	err := r.client.Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner)
	return client.IgnoreNotFound(err)
}

// endWorkload deletes what starts pods and then the pods, and reports whether there still are any: none shall pull while what
// waits is dealt with, and running calls shall be settled. The rest goes with the Function.
func (r *reconciler) endWorkload(ctx context.Context, o *unstructured.Unstructured) (running bool, err error) {
	for _, kind := range []schema.GroupVersionKind{desired.ScaledObjectKind, desired.DeploymentKind} {
		objects, err := r.owned(ctx, o, kind)
		if err != nil {
			return false, err
		}
		for _, object := range objects {
			// In the foreground a Deployment is there until its last pod has ended.
			if err := r.delete(ctx, object, metav1.DeletePropagationForeground); err != nil {
				return false, err
			}
			running = running || kind == desired.DeploymentKind
		}
	}
	return running, nil
}
