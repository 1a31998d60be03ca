package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// configMapsIndex finds the Functions that give their handlers something of a config map.
const configMapsIndex = "configMaps"

// watchConfigMaps has Reconcile called for Functions whose config maps change. Of the users' config maps, which may be many and
// large, it keeps the names alone, in a cache of its own: the manager's has those of ours.
func watchConfigMaps(m manager.Manager, namespaces map[string]cache.Config) (source.Source, error) {
	others, err := labels.Parse("app.kubernetes.io/managed-by!=" + desired.ManagedBy)
	if err != nil {
		return nil, err
	}
	names, err := cache.New(m.GetConfig(), cache.Options{
		HTTPClient: m.GetHTTPClient(), Mapper: m.GetRESTMapper(), Scheme: m.GetScheme(),
		DefaultNamespaces: namespaces, DefaultLabelSelector: others, DefaultTransform: nameAlone,
	})
	if err != nil {
		return nil, fmt.Errorf("watch config maps: %w", err)
	}
	if err := m.Add(names); err != nil {
		return nil, fmt.Errorf("watch config maps: %w", err)
	}
	users := object(v1alpha1.FunctionKind)
	ctx := context.Background() //nolint:forbidigo // nothing runs yet, so there is nothing to wait for and nobody to end it
	if err := m.GetFieldIndexer().IndexField(ctx, users, configMapsIndex, configMapsOf); err != nil {
		return nil, fmt.Errorf("index functions by config map: %w", err)
	}
	kind := &metav1.PartialObjectMetadata{}
	kind.SetGroupVersionKind(desired.ConfigMapKind)
	return source.Kind(names, kind, handler.TypedEnqueueRequestsFromMapFunc(
		func(ctx context.Context, o *metav1.PartialObjectMetadata) []reconcile.Request {
			return usersOf(ctx, m.GetClient(), o)
		},
	)), nil
}

// nameAlone leaves of a config map what it is found by, and the version that tells a change.
func nameAlone(in any) (any, error) {
	o, ok := in.(*metav1.PartialObjectMetadata)
	if !ok {
		return in, nil
	}
	return &metav1.PartialObjectMetadata{TypeMeta: o.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Name: o.Name, Namespace: o.Namespace, UID: o.UID, ResourceVersion: o.ResourceVersion,
	}}, nil
}

// configMapsOf reads what the index needs, also of a manifest that is invalid otherwise.
func configMapsOf(o client.Object) []string {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	fields, _, _ := unstructured.NestedMap(u.Object, "spec", "handler")
	var h function.Handler
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &h); err != nil {
		return nil
	}
	return h.ConfigMaps()
}

// usersOf lists the Functions that use a config map. The list comes from the cache, so it cannot fail for long; a change that is
// missed is found by the next look at the Function.
func usersOf(ctx context.Context, functions client.Reader, o *metav1.PartialObjectMetadata) (requests []reconcile.Request) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(function.Kind + "List"))
	err := functions.List(ctx, list, client.InNamespace(o.Namespace), client.MatchingFields{configMapsIndex: o.Name})
	if err != nil {
		return nil
	}
	for _, fn := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: fn.GetNamespace(), Name: fn.GetName()}})
	}
	return requests
}

// stampConfig writes the hash of a function's config maps to its pods: when it changes, they are replaced. The data are hashed and
// not the version, which changes with every label. Secrets are not hashed: the controller may not read them.
func (r *reconciler) stampConfig(ctx context.Context, fn *function.Function, objects []*unstructured.Unstructured) error {
	names := fn.Spec.Handler.ConfigMaps()
	if len(names) == 0 {
		return nil
	}
	hash, err := r.hashConfigMaps(ctx, fn.Metadata.Namespace, names)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GroupVersionKind() != desired.DeploymentKind {
			continue
		}
		path := []string{"spec", "template", "metadata", "annotations", desired.ConfigAnnotation}
		if err := unstructured.SetNestedField(o.Object, hash, path...); err != nil {
			return fmt.Errorf("write hash of config maps: %w", err)
		}
	}
	return nil
}

// hashConfigMaps asks the apiserver: few functions have config maps, and a cache of all data there are would cost more.
func (r *reconciler) hashConfigMaps(ctx context.Context, namespace string, names []string) (string, error) {
	data := map[string]map[string]any{}
	for _, name := range names {
		want := object(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
		want.SetNamespace(namespace)
		want.SetName(name)
		have, err := read(ctx, r.live, want)
		if err != nil {
			return "", err
		}
		if have != nil { // one that is missing, optional or not yet there, is another than an empty one
			data[name] = map[string]any{"data": have.Object["data"], "binaryData": have.Object["binaryData"]}
		}
	}
	text, err := json.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("encode config maps: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:10], nil
}
