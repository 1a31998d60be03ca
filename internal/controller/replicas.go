package controller

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/desired"
)

// applyDeployment begins with the fewest replicas and never speaks of them again: KEDA decides.
//
// Applying a Deployment without replicas gives it 1, and so does leaving out a number that one has applied and that nobody else
// owns. So it is created with a number, which a second owner takes over at once, and only together with that is it signed. Should
// we be ended in between, it does not look applied, and the next one makes it good.
func (a *applier) applyDeployment(ctx context.Context, want, have *unstructured.Unstructured, least int64) error {
	if have == nil {
		first := want.DeepCopy()
		unstructured.RemoveNestedField(first.Object, "metadata", "annotations", appliedAnnotation)
		if err := unstructured.SetNestedField(first.Object, least, "spec", "replicas"); err != nil {
			return err
		}
		if err := a.write(ctx, first, fieldOwner, client.ForceOwnership); err != nil {
			return err
		}
		return a.ownReplicas(ctx, want, least, want.GetAnnotations()[appliedAnnotation])
	}
	if !replicasOwned(have) {
		n, _, _ := unstructured.NestedInt64(have.Object, "spec", "replicas")
		if err := a.ownReplicas(ctx, want, n, ""); err != nil {
			return err
		}
	}
	return a.write(ctx, want, fieldOwner, client.ForceOwnership)
}

// ownReplicas has the second owner apply the number of replicas and the signature, if there is one. It does not force: should KEDA
// have changed the number meanwhile, it owns it, and the conflict is tried again.
func (a *applier) ownReplicas(ctx context.Context, deployment *unstructured.Unstructured, n int64, signature string) error {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": n}}}
	o.SetGroupVersionKind(desired.DeploymentKind)
	o.SetName(deployment.GetName())
	o.SetNamespace(deployment.GetNamespace())
	if signature != "" {
		o.SetAnnotations(map[string]string{appliedAnnotation: signature})
	}
	return a.write(ctx, o, replicasOwner)
}

// replicasOwned reports whether anybody but our applying of the whole Deployment owns the number of replicas.
func replicasOwned(deployment *unstructured.Unstructured) bool {
	for _, m := range deployment.GetManagedFields() {
		if m.Manager != string(fieldOwner) && m.FieldsV1 != nil && strings.Contains(string(m.FieldsV1.GetRawBytes()), `"f:replicas":{}`) {
			return m.Subresource != "status"
		}
	}
	return false
}
