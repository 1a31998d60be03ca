package desired

import (
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var disruptionKind = policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget")

// standsBy reports whether somebody wants several replicas at all times. Only then is it worth slowing the drain of a node
// down: an evicted pod finishes what runs, and what waits is in NATS. A budget for every function would also cost the cluster a
// write for each pod that comes or goes.
func (b *blueprint) standsBy() bool { return b.fn.Spec.Scale.MinReplicas > 1 }

// disruptionBudget lets a quarter of the replicas go at a time, and at least one, so that it never keeps a node. Pods that are
// not ready deliver nothing and may always go.
func (b *blueprint) disruptionBudget() *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   typeMeta(disruptionKind),
		ObjectMeta: b.meta(),
		Spec: policyv1.PodDisruptionBudgetSpec{
			Selector:                   b.selector(),
			MaxUnavailable:             new(intstr.FromString("25%")),
			UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
		},
	}
}
