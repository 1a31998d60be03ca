package kube

import (
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// page is how many objects are asked for at a time.
const page = 500

// Get reads one object.
func (c *Cluster) Get(ctx context.Context, r Resource, namespace, name string) (*unstructured.Unstructured, error) {
	return c.dynamic.Resource(r.GroupVersionResource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
}

// Selector is what objects are chosen by. The zero value is all of them.
type Selector struct {
	Labels string
	Fields string
}

// List reads all objects of a namespace, of all namespaces if it is "".
func (c *Cluster) List(ctx context.Context, r Resource, namespace string, s Selector) ([]unstructured.Unstructured, error) {
	options := metav1.ListOptions{LabelSelector: s.Labels, FieldSelector: s.Fields, Limit: page}
	var items []unstructured.Unstructured
	for {
		list, err := c.dynamic.Resource(r.GroupVersionResource).Namespace(namespace).List(ctx, options)
		if apierrors.IsResourceExpired(err) && options.Continue != "" {
			items, options.Continue, options.Limit = nil, "", 0 // it took too long page by page
			continue
		}
		if err != nil {
			return nil, err
		}
		items = append(items, list.Items...)
		if options.Continue = list.GetContinue(); options.Continue == "" {
			return items, nil
		}
	}
}

// Apply says how an object is applied.
type Apply struct {
	Owner  string // of the fields
	DryRun bool   // nothing is stored; the result is what would be
	Force  bool   // fields of other owners are taken over
}

// Apply applies an object on the server's side: it is made if it is not there, and fields of others are left alone. Fields that
// the cluster does not know are an error.
func (c *Cluster) Apply(ctx context.Context, r Resource, o *unstructured.Unstructured, how Apply) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(o.Object)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: how.Owner, Force: &how.Force, FieldValidation: metav1.FieldValidationStrict}
	if how.DryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return c.dynamic.Resource(r.GroupVersionResource).Namespace(o.GetNamespace()).
		Patch(ctx, o.GetName(), types.ApplyPatchType, text, options)
}

// Annotate writes annotations of an object, and removes those whose value is nil.
func (c *Cluster) Annotate(ctx context.Context, r Resource, namespace, name, owner string, annotations map[string]any) error {
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return err
	}
	_, err = c.dynamic.Resource(r.GroupVersionResource).Namespace(namespace).
		Patch(ctx, name, types.MergePatchType, text, metav1.PatchOptions{FieldManager: owner})
	return err
}

// Delete deletes exactly this object, not one that has taken its name since.
func (c *Cluster) Delete(ctx context.Context, r Resource, o *unstructured.Unstructured) error {
	uid := o.GetUID()
	return c.dynamic.Resource(r.GroupVersionResource).Namespace(o.GetNamespace()).Delete(ctx, o.GetName(), metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: new(metav1.DeletePropagationBackground),
	})
}
