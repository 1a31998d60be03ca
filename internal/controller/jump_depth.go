package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// depthOf counts what the consumers of a function hold now: what could be delivered, and what was and is not settled.
func depthOf(ctx context.Context, js jetstream.JetStream, consumers []stream.Consumer) (due, inFlight int, err error) {
	for _, c := range consumers {
		consumer, err := js.Consumer(ctx, c.Stream, c.Name)
		if err != nil {
			return 0, 0, fmt.Errorf("read consumer %s on stream %s: %w", c.Name, c.Stream, err)
		}
		info := consumer.CachedInfo()
		if !info.Paused { // nothing can be given before it goes on
			due += bounded(info.NumPending)
		}
		inFlight += max(0, info.NumAckPending)
	}
	return due, inFlight, nil
}

// bounded keeps a count within what the arithmetic takes.
func bounded(n uint64) int { return int(min(n, 1<<31-1)) }

var hpaKind = autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler")

// serviceTime is what the HPA takes for the time that one event takes. It matters for a goal in time alone. The scaler
// measures it, and KEDA has written into the HPA how many events for each replica that comes to: a time measured here would
// be another one, and the HPA would take back what it had not asked for.
func (j *jumper) serviceTime(ctx context.Context, w *wakeup) (time.Duration, error) {
	if w.policy.Drain == 0 {
		return 0, nil
	}
	target, err := j.hpaTarget(ctx, w.key)
	if err != nil {
		return 0, err
	}
	return serviceOf(w.policy, target), nil
}

// serviceOf turns demand's Policy.PerReplica round. As long as nothing was measured, the goal is a number of events.
func serviceOf(p demand.Policy, perReplica float64) time.Duration {
	if p.Drain == 0 || perReplica <= 0 || perReplica == float64(p.Backlog) {
		return 0
	}
	return time.Duration(float64(p.Drain) * float64(p.Concurrency) / perReplica)
}

// hpaTarget is the number of events for each replica that the function's HPA has now.
func (j *jumper) hpaTarget(ctx context.Context, key function.Key) (float64, error) {
	scaledObject := object(desired.ScaledObjectKind)
	at := client.ObjectKey{Namespace: key.Namespace, Name: desired.ObjectName(key)}
	if err := j.client.Get(ctx, at, scaledObject); err != nil {
		return 0, err
	}
	name, _, _ := unstructured.NestedString(scaledObject.Object, "status", "hpaName")
	if name == "" {
		return 0, errors.New("the ScaledObject has no HPA yet")
	}
	hpa := object(hpaKind)
	if err := j.live.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: name}, hpa); err != nil {
		return 0, fmt.Errorf("read HPA %s: %w", name, err)
	}
	return targetOf(hpa)
}

// targetOf reads the target of the only metric that an HPA of ours has.
func targetOf(hpa *unstructured.Unstructured) (float64, error) {
	metrics, _, _ := unstructured.NestedSlice(hpa.Object, "spec", "metrics")
	if len(metrics) != 1 {
		return 0, fmt.Errorf("HPA %s has %d metrics, not 1", hpa.GetName(), len(metrics))
	}
	fields, _ := metrics[0].(map[string]any)
	text, _, _ := unstructured.NestedString(fields, "external", "target", "averageValue")
	amount, err := resource.ParseQuantity(text)
	if err != nil || amount.Sign() <= 0 {
		return 0, fmt.Errorf("HPA %s has no target: averageValue is %q", hpa.GetName(), text)
	}
	return amount.AsApproximateFloat64(), nil
}
