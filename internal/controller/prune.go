package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// ownerIndex finds objects by the Function that controls them. A search by labels would go through all objects of a namespace, in
// every reconciliation.
const ownerIndex = "owner"

// indexOwned has the cache keep the index.
func indexOwned(indexer client.FieldIndexer) error {
	ctx := context.Background() //nolint:forbidigo // nothing runs yet, so there is nothing to wait for and nobody to end it
	for _, kind := range desired.Kinds() {
		err := indexer.IndexField(ctx, object(kind), ownerIndex, func(o client.Object) []string {
			if owner := metav1.GetControllerOfNoCopy(o); owner != nil && owner.Kind == function.Kind {
				return []string{string(owner.UID)}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("index %s by owner: %w", kind.Kind, err)
		}
	}
	return nil
}

// prune deletes what belongs to a function and is not desired any more, of the kinds that keep does not hold back.
func (a *applier) prune(ctx context.Context, owner *unstructured.Unstructured, objects []*unstructured.Unstructured,
	keep func(schema.GroupVersionKind) bool,
) error {
	type id struct {
		kind schema.GroupVersionKind
		name string
	}
	wanted := map[id]bool{}
	for _, o := range objects {
		wanted[id{o.GroupVersionKind(), o.GetName()}] = true
	}
	for _, kind := range desired.Kinds() {
		if keep(kind) {
			continue
		}
		objects, err := a.owned(ctx, owner, kind)
		if err != nil {
			return err
		}
		for _, o := range objects {
			if wanted[id{kind, o.GetName()}] {
				continue
			}
			if err := a.delete(ctx, o, metav1.DeletePropagationBackground); err != nil {
				return err
			}
		}
	}
	return nil
}

// owned lists the objects of one kind that belong to a function.
func (a *applier) owned(ctx context.Context, owner *unstructured.Unstructured,
	kind schema.GroupVersionKind,
) ([]*unstructured.Unstructured, error) {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err := a.client.List(ctx, &list, client.InNamespace(owner.GetNamespace()), client.MatchingFields{ownerIndex: string(owner.GetUID())})
	if err != nil {
		return nil, fmt.Errorf("list %s of %s: %w", kind.Kind, owner.GetName(), err)
	}
	owned := make([]*unstructured.Unstructured, len(list.Items))
	for i := range list.Items {
		owned[i] = &list.Items[i]
	}
	return owned, nil
}

// delete deletes exactly this object, not another that has taken its name since.
func (a *applier) delete(ctx context.Context, o *unstructured.Unstructured, how metav1.DeletionPropagation) error {
	if o.GetDeletionTimestamp() != nil {
		return nil
	}
	uid := o.GetUID()
	err := a.client.Delete(ctx, o, client.Preconditions{UID: &uid}, client.PropagationPolicy(how))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete %s: %w", describe(o), err)
	}
	return nil
}
