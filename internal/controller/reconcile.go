package controller

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Finalizer keeps a Function until NATS holds nothing for it any more.
const Finalizer = "pelton.dev/queues"

// reconciler brings one Function at a time to what its manifest says.
type reconciler struct {
	*applier

	queues      *queues
	credentials *credentials

	settings desired.Settings
	resync   time.Duration // how often each Function is looked at without a reason
	patience time.Duration // how long a deletion waits for pods and NATS
	gaveUp   func(function.Key, error)
}

// Reconcile implements reconcile.Reconciler. It is called for one Function by one goroutine at a time.
func (r *reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(v1alpha1.FunctionKind)
	if err := r.client.Get(ctx, req.NamespacedName, o); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if o.GetDeletionTimestamp() != nil {
		return r.remove(ctx, o)
	}
	var rep report
	again, err := r.bring(ctx, o, &rep)
	statusErr := writeStatus(ctx, r.client, o, func(old v1alpha1.Status) v1alpha1.Status { return next(old, o.GetGeneration(), rep) })
	if statusErr != nil {
		err = errors.Join(err, statusErr)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// bring does all that is to be done, as far as it gets, and says how far that was. It returns when to look again.
func (r *reconciler) bring(ctx context.Context, o *unstructured.Unstructured, rep *report) (time.Duration, error) {
	old, err := statusOf(o)
	if err != nil {
		return 0, err
	}
	rep.replicas, rep.held = old.Replicas, old.HeldReplicas
	running, err := r.running(ctx, o)
	if err != nil {
		return 0, err
	}
	fn, objects, err := r.plan(ctx, o)
	var invalid *function.Invalid
	switch {
	case errors.As(err, &invalid):
		rep.set(condition(v1alpha1.Accepted, metav1.ConditionFalse, v1alpha1.ReasonInvalid, conditionMessage(err)))
		// Only another manifest can mend that. Pods go on with the one before, and their credentials must not expire.
		return r.credentials.apply(ctx, o, running...)
	case err != nil:
		return 0, err
	}
	rep.set(condition(v1alpha1.Accepted, metav1.ConditionTrue, v1alpha1.ReasonValid, "the manifest keeps all rules"))
	if err := r.hold(ctx, o); err != nil {
		return 0, err
	}
	switch err := r.queues.provision(ctx, fn, string(o.GetUID()), o.GetGeneration()); {
	case err == nil:
		rep.set(condition(v1alpha1.StreamReady, metav1.ConditionTrue, v1alpha1.ReasonProvisioned, "streams and consumers are there"))
	case stream.Refused(err): // the function works, and the server is asked again at the next look without a reason
		rep.set(condition(v1alpha1.StreamReady, metav1.ConditionFalse, refusedReason(err), conditionMessage(err)))
	default:
		rep.set(condition(v1alpha1.StreamReady, metav1.ConditionFalse, streamReason(err), conditionMessage(err)))
		_, renewErr := r.credentials.apply(ctx, o, running...) // the same: pods may go on for long
		return 0, errors.Join(err, renewErr)
	}
	if isStalled(old) { // pods may wait for a secret that somebody has deleted
		r.credentials.forget(fn.Key())
	}
	renew, err := r.credentials.apply(ctx, o, append([]*function.Function{fn}, running...)...) // first, as pods wait for it
	if err == nil {
		err = r.applyAll(ctx, o, objects, fn.Spec.Scale.MinReplicas)
	}
	if err != nil {
		rep.set(condition(v1alpha1.WorkloadReady, metav1.ConditionFalse, applyReason(err), conditionMessage(err)))
		return 0, err
	}
	again, err := r.observe(ctx, o, objects, fn.Spec.Scale.MinReplicas, rep)
	if r.doubts(ctx, fn, old, o.GetGeneration(), rep) {
		again = min(again, doubtWait)
	}
	if renew > 0 {
		again = min(again, renew)
	}
	return again, err
}

// applyAll brings all objects to what is desired of them. A Deployment begins with the least replicas.
func (r *reconciler) applyAll(ctx context.Context, o *unstructured.Unstructured, objects []*unstructured.Unstructured, least int) error {
	pods := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GroupVersionKind() == desired.DeploymentKind })
	if err := r.applyTogether(ctx, o, objects[:pods], least); err != nil {
		return err
	}
	for _, want := range objects[pods:] {
		if err := r.apply(ctx, o, want, least); err != nil {
			return err
		}
	}
	return nil
}

// applyTogether applies objects that do not need each other at the same time. It returns the error of the first in their order, so
// that what is reported does not change from one try to the next.
func (r *reconciler) applyTogether(ctx context.Context, o *unstructured.Unstructured, objects []*unstructured.Unstructured, least int) error {
	errs := make([]error, len(objects))
	var applying sync.WaitGroup
	for i, want := range objects {
		applying.Go(func() { errs[i] = r.apply(ctx, o, want, least) })
	}
	applying.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// plan reads the manifest and what follows from it.
func (r *reconciler) plan(ctx context.Context, o *unstructured.Unstructured) (*function.Function, []*unstructured.Unstructured, error) {
	fn, err := desired.Read(o)
	if err != nil {
		return nil, nil, err
	}
	objects, err := desired.Objects(fn, r.settings)
	if err != nil {
		return nil, nil, err
	}
	if err := r.stampConfig(ctx, fn, objects); err != nil {
		return nil, nil, err
	}
	return fn, objects, sign(o, objects)
}

// hold adds the finalizer, before there is anything on NATS that it is for.
func (r *reconciler) hold(ctx context.Context, o *unstructured.Unstructured) error {
	if controllerutil.ContainsFinalizer(o, Finalizer) {
		return nil
	}
	before := o.DeepCopy()
	controllerutil.AddFinalizer(o, Finalizer)
	// With the version it was read in: finalizers are one list, and another may have written his into it meanwhile.
	return r.client.Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner)
}

// observe looks at what there is in the cluster, deletes what is not needed any more and says how the rest stands.
func (r *reconciler) observe(ctx context.Context, o *unstructured.Unstructured, objects []*unstructured.Unstructured,
	least int, rep *report,
) (time.Duration, error) {
	var deployment, scaledObject *unstructured.Unstructured
	for _, want := range objects {
		kind := want.GroupVersionKind()
		if kind != desired.DeploymentKind && kind != desired.ScaledObjectKind {
			continue
		}
		have, err := read(ctx, r.client, want)
		switch {
		case err != nil:
			return 0, err
		case !isLatest(want, have): // Reconcile is called again when the cache has it
		case kind == desired.DeploymentKind:
			deployment = have
		default:
			scaledObject = have
		}
	}
	c, again := workload(deployment, least, time.Now())
	rep.set(c)
	ready, active := scaler(scaledObject, deployment)
	rep.held = heldOf(o)
	rep.set(ready)
	rep.set(active)
	if deployment != nil {
		rep.replicas = int32(numbersOf(deployment).replicas)
	}
	// A pod of an earlier manifest mounts an earlier ConfigMap.
	inUse := func(kind schema.GroupVersionKind) bool {
		return kind == desired.ConfigMapKind && !isRolledOut(deployment)
	}
	if err := r.prune(ctx, o, objects, inUse); err != nil {
		return 0, err
	}
	if again == 0 {
		again = r.resync + rand.N(r.resync/5+1) // not all at once
	}
	return again, nil
}

func isStalled(s v1alpha1.Status) bool {
	c := apimeta.FindStatusCondition(s.Conditions, v1alpha1.WorkloadReady)
	return c != nil && c.Reason == v1alpha1.ReasonStalled
}

func streamReason(err error) string {
	if _, ok := errors.AsType[*stream.Mismatch](err); ok {
		return v1alpha1.ReasonMismatch
	}
	return v1alpha1.ReasonNATSUnreachable
}

func refusedReason(err error) string {
	if _, ok := errors.AsType[*stream.StreamRefused](err); ok {
		return v1alpha1.ReasonNATSUnreachable
	}
	return v1alpha1.ReasonReplicasRefused
}

func applyReason(err error) string {
	if _, ok := errors.AsType[*nameTaken](err); ok {
		return v1alpha1.ReasonNameTaken
	}
	return v1alpha1.ReasonNotApplied
}
