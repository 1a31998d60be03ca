package desired

import (
	"math"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pelton-dev/pelton/internal/demand"
)

// ScaledObjectKind is the kind of what KEDA reads.
var ScaledObjectKind = schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"}

// Bounds of how long the HPA must have wanted fewer replicas before it takes any. Below the first, each gap between events costs
// replicas and their start; above the second, Kubernetes refuses it.
const (
	minSettle = time.Minute
	maxSettle = time.Hour
)

// scaledObject is written as fields: the types of KEDA would bring KEDA's dependencies with them. A test compares it with
// KEDA's schema.
//
// It has no fallback, and must never have one of 0 replicas: while the scaler cannot answer, KEDA would end pods that work.
func (b *blueprint) scaledObject() *unstructured.Unstructured {
	scale := b.fn.Spec.Scale
	o := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"scaleTargetRef":  b.target(),
		"minReplicaCount": int64(scale.MinReplicas),
		"maxReplicaCount": int64(scale.MaxReplicas),
		"pollingInterval": seconds(b.s.PollingInterval),
		"cooldownPeriod":  seconds(time.Duration(scale.Cooldown)),
		"triggers":        []any{b.trigger()},
		"advanced":        map[string]any{"horizontalPodAutoscalerConfig": map[string]any{"behavior": b.behavior()}},
	}}}
	o.SetGroupVersionKind(ScaledObjectKind)
	o.SetName(b.name())
	o.SetNamespace(b.fn.Metadata.Namespace)
	o.SetLabels(b.labels())
	o.SetAnnotations(b.held())
	return o
}

// target names the sidecar as the container whose environment KEDA reads, of which the trigger needs nothing. By default KEDA reads
// the first one's, the handler's: it would know each secret in it, and watch nothing before all of them are there.
func (b *blueprint) target() map[string]any {
	apiVersion, kind := DeploymentKind.ToAPIVersionAndKind()
	return map[string]any{"apiVersion": apiVersion, "kind": kind, "name": b.name(), "envSourceContainerName": SidecarContainer}
}

// trigger says the goal where it is a number of events: KEDA then keeps one stream for the function instead of two. A goal in
// time cannot be said here, as the number of events that it comes to follows the handler's speed.
func (b *blueprint) trigger() map[string]any {
	metadata := map[string]any{"scalerAddress": b.s.ScalerAddress, "function": b.fn.Metadata.Name}
	if p := demand.PolicyOf(&b.fn.Spec); p.Drain == 0 {
		metadata["backlog"] = strconv.Itoa(p.Backlog)
	}
	t := map[string]any{"type": "external-push", "metadata": metadata}
	if auth := b.s.TriggerAuthentication; auth.Name != "" {
		t["authenticationRef"] = map[string]any{"name": auth.Name, "kind": auth.Kind}
	}
	return t
}

// behavior of the HPA. Up: as many as are wanted, at once. The scaler has counted what is due and does not overshoot, and the
// bound that the user chose is the maximum. Down: half of them at a time, once fewer have been enough for a while.
func (b *blueprint) behavior() map[string]any {
	settle := min(max(time.Duration(b.fn.Spec.Scale.Cooldown), minSettle), maxSettle)
	return map[string]any{
		"scaleUp": map[string]any{
			"stabilizationWindowSeconds": int64(0),
			"policies":                   []any{policy("Pods", b.fn.Spec.Scale.MaxReplicas)},
		},
		"scaleDown": map[string]any{
			"stabilizationWindowSeconds": seconds(settle),
			"policies":                   []any{policy("Percent", 50)},
		},
	}
}

// policy allows so much in 15 s, which is how often an HPA looks.
func policy(kind string, value int) map[string]any {
	return map[string]any{"type": kind, "value": int64(value), "periodSeconds": int64(15)}
}

// seconds rounds up, and fits into the 32 bits that Kubernetes has for it.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return min(s, math.MaxInt32)
}
