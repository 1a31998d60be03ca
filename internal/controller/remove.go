package controller

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/pelton-dev/pelton/internal/function"

	"github.com/pelton-dev/pelton/internal/desired"
)

// removeWait is between looks at a deletion that is not through.
const removeWait = time.Second

// remove ends what runs, takes the function off NATS, and lets the Function go. Neither pods that do not end nor a NATS that is
// away can hold it for ever: after a while it goes, and what stays behind is logged.
func (r *reconciler) remove(ctx context.Context, o *unstructured.Unstructured) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(o, Finalizer) {
		return reconcile.Result{}, nil
	}
	key := function.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
	late := time.Since(o.GetDeletionTimestamp().Time) > r.patience
	running, err := r.endWorkload(ctx, o)
	if err != nil {
		return reconcile.Result{}, err
	}
	if running && !late {
		return reconcile.Result{RequeueAfter: removeWait}, nil
	}
	fn, _ := desired.Read(o) // nil if it is invalid
	switch done, err := r.queues.remove(ctx, key, onDelete(o), fn); {
	case late && (err != nil || !done):
		if err == nil {
			err = fmt.Errorf("not all that waits is a dead letter after %v", r.patience)
		}
		r.gaveUp(key, err)
	case err != nil:
		return reconcile.Result{}, err
	case !done:
		return reconcile.Result{RequeueAfter: removeWait}, nil
	}
	r.credentials.forget(key)
	before := o.DeepCopy()
	controllerutil.RemoveFinalizer(o, Finalizer)
	err = r.client.Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner)
	return reconcile.Result{}, client.IgnoreNotFound(err)
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
