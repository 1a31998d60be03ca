package cli

import (
	"context"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kube"
)

// live is what a cluster has of a function. What could not be read is nil, and a note says why.
type live struct {
	function, deployment, scaledObject, autoscaler *unstructured.Unstructured

	pods  []unstructured.Unstructured
	notes []string
}

// readCluster reads all there is of a function.
func readCluster(ctx context.Context, c *kube.Cluster, o *unstructured.Unstructured) live {
	l := live{function: o}
	key := function.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
	name := desired.ObjectName(key)
	get := func(r kube.Resource, name string) *unstructured.Unstructured {
		o, err := c.Get(ctx, r, key.Namespace, name)
		if err != nil && (isMissingKind(err) || !apierrors.IsNotFound(err)) {
			l.note("the "+r.Kind, c, err)
		}
		if err != nil {
			return nil
		}
		return o
	}
	l.deployment = get(kube.Deployments(), name)
	l.scaledObject = get(kube.ScaledObjects(), name)
	l.autoscaler = get(kube.HorizontalPodAutoscalers(), "keda-hpa-"+name)
	pods, err := c.List(ctx, kube.Pods(), key.Namespace, kube.Selector{Labels: desired.FunctionLabel + "=" + key.Name})
	if err != nil {
		l.note("the pods", c, err)
	}
	slices.SortFunc(pods, func(a, b unstructured.Unstructured) int {
		return a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time)
	})
	l.pods = pods
	return l
}

func (l *live) note(what string, c *kube.Cluster, err error) {
	text := err.Error()
	if e, ok := errors.AsType[*Error](explainCluster(c, "read "+what, err)); ok {
		text = e.Error()
	}
	l.notes = append(l.notes, text)
}
