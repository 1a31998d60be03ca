package desired

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pelton-dev/pelton/internal/function"
)

// Kinds are those of the objects that Objects returns: what a controller watches, and looks through for objects that a
// function needed once and does not need any more.
func Kinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		serviceAccountKind, ConfigMapKind, networkPolicyKind, disruptionKind, DeploymentKind, ScaledObjectKind,
	}
}

// Objects returns every Kubernetes object that a function needs, in the order in which they are applied: what a pod needs to
// start comes before the pods, and what starts them comes last. The function has its defaults and is valid; what is wrong with
// it on Kubernetes alone is a *function.Invalid.
//
// It is a pure function: equal arguments give equal objects, and nothing in them comes from the cluster. So the objects name no
// owner: whoever applies them knows the owner's UID.
//
// No object says how many replicas there are, as KEDA decides that. An apiserver makes one replica of silence: whoever
// creates the Deployment begins with 0, or every function that is applied would start a pod for nothing.
func Objects(fn *function.Function, s Settings) ([]*unstructured.Unstructured, error) {
	s = s.withDefaults()
	ports, err := s.check()
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	if s.OwnCredentials != NoOwnCredentials {
		s.NATSCredentials = ownCredentials(fn.Key(), s.OwnCredentials)
	}
	b := blueprint{fn: fn, s: s, natsPorts: ports}
	if problems := b.check(); len(problems) > 0 {
		return nil, &function.Invalid{Problems: problems}
	}
	if b.manifest, err = manifestOf(fn); err != nil {
		return nil, fmt.Errorf("write manifest of %s: %w", fn.Key(), err)
	}
	return b.build()
}

// blueprint makes the objects of one function. Each object has a method and a file of its own.
type blueprint struct {
	fn        *function.Function
	s         Settings
	manifest  manifest
	natsPorts []int32
	resources resources
}

func (b *blueprint) build() ([]*unstructured.Unstructured, error) {
	objects := []runtime.Object{b.serviceAccount(), b.configMap(), b.networkPolicy()}
	if b.standsBy() {
		objects = append(objects, b.disruptionBudget())
	}
	objects = append(objects, b.deployment(), b.scaledObject())
	result := make([]*unstructured.Unstructured, len(objects))
	for i, o := range objects {
		var err error
		if result[i], err = plain(o); err != nil {
			return nil, fmt.Errorf("write %s of %s: %w", o.GetObjectKind().GroupVersionKind().Kind, b.fn.Key(), err)
		}
	}
	return result, nil
}

// plain is the object as it is applied: nothing that only the cluster says, and nothing empty that would be taken for a wish.
func plain(o runtime.Object) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, err
	}
	delete(fields, "status")
	containers, _, err := unstructured.NestedSlice(fields, "spec", "template", "spec", "containers")
	if err != nil || containers == nil {
		return &unstructured.Unstructured{Object: fields}, err
	}
	for _, c := range containers {
		if c, ok := c.(map[string]any); ok && isEmpty(c["resources"]) {
			delete(c, "resources")
		}
	}
	err = unstructured.SetNestedSlice(fields, containers, "spec", "template", "spec", "containers")
	return &unstructured.Unstructured{Object: fields}, err
}

func isEmpty(v any) bool {
	m, ok := v.(map[string]any)
	return ok && len(m) == 0
}
