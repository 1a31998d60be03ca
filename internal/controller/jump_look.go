package controller

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// look reads the queue and jumps if it is time to. It returns how many replicas are wanted, for the next look; 0 is the end.
func (j *jumper) look(ctx context.Context, w *wakeup, before int, last bool) (int, error) {
	have, err := j.replicas(ctx, w.key)
	if have == 0 || err != nil {
		return 0, err // it went back to zero
	}
	due, inFlight, err := depthOf(ctx, j.js, w.consumers)
	if err != nil {
		return max(before, 1), err
	}
	service, err := j.serviceTime(ctx, w)
	if err != nil {
		return max(before, 1), err
	}
	d := demand.Decide(w.policy, demand.Snapshot{Due: due, InFlight: inFlight, ServiceTime: service, Known: true})
	if !timeToJump(before, d.Replicas, w.policy.Max, last) {
		return max(d.Replicas, 1), nil
	}
	if int64(d.Replicas) <= have {
		return 0, nil // the HPA was faster
	}
	if err := j.raise(ctx, w.key, have, int64(d.Replicas)); err != nil {
		return d.Replicas, err
	}
	j.log.Info("function woke with a backlog, replicas raised in one step", zap.Stringer("function", w.key),
		zap.Int64("from", have), zap.Int("to", d.Replicas), zap.String("reason", d.Reason))
	return 0, nil
}

// timeToJump waits while the number wanted still doubles from one look to the next: what wakes a function is often the first
// of many events that are only just being published, and there is one jump for each wake.
func timeToJump(before, wanted, most int, last bool) bool {
	switch {
	case wanted < 2:
		return false
	case wanted >= most, last:
		return true
	}
	return before > 0 && wanted < 2*before
}

// replicas is the number that the Deployment has, and 0 if it is paused: what somebody has stopped by hand is left alone.
func (j *jumper) replicas(ctx context.Context, key function.Key) (int64, error) {
	at := client.ObjectKey{Namespace: key.Namespace, Name: desired.ObjectName(key)}
	deployment, scaledObject := object(desired.DeploymentKind), object(desired.ScaledObjectKind)
	if err := errors.Join(j.client.Get(ctx, at, deployment), j.client.Get(ctx, at, scaledObject)); err != nil {
		return 0, err
	}
	if mayNotGrow(scaledObject.GetAnnotations()) || scaledObject.GetDeletionTimestamp() != nil {
		return 0, nil
	}
	return numbersOf(deployment).wanted, nil
}

// mayNotGrow reads the annotations by which KEDA is told to leave the number of replicas alone, as KEDA reads them.
func mayNotGrow(annotations map[string]string) bool {
	if _, fixed := annotations["autoscaling.keda.sh/paused-replicas"]; fixed {
		return true
	}
	for _, name := range []string{"autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-scale-out"} {
		if value, there := annotations[name]; there && value != "false" {
			return true
		}
	}
	return false
}

// raise writes the number of replicas over the one that is there now, or nothing if that is another one by now.
func (j *jumper) raise(ctx context.Context, key function.Key, from, to int64) error {
	o := object(desired.DeploymentKind)
	o.SetNamespace(key.Namespace)
	o.SetName(desired.ObjectName(key))
	patch := client.RawPatch(types.JSONPatchType, fmt.Appendf(nil,
		`[{"op":"test","path":"/spec/replicas","value":%d},{"op":"replace","path":"/spec/replicas","value":%d}]`, from, to))
	if err := j.client.SubResource("scale").Patch(ctx, o, patch, replicasOwner); err != nil {
		return fmt.Errorf("scale %s from %d to %d: %w", describe(o), from, to, err)
	}
	return nil
}
