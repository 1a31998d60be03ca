package desired

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pelton-dev/pelton/internal/function"
)

// FunctionLabel is on every object and pod of a function and holds its name. Pods are selected by it alone.
const FunctionLabel = "pelton.dev/function"

// ManifestAnnotation is on every pod and holds the hash of the manifest it runs.
const ManifestAnnotation = "pelton.dev/manifest-hash"

// ManagedBy is on every object of a function, as the value of app.kubernetes.io/managed-by.
const ManagedBy = "pelton-controller"

const (
	partOf    = "pelton"
	component = "function"
)

// suffix is the short name of the resource. A user's own Deployment, Service or ConfigMap is often called like the function,
// and server-side apply would take it over; hardly one ends like this. A prefix "pelton-" would not do: a function called scaler
// would be the scaler itself. It has 4 characters because a function's name has at most 50 and KEDA calls the HPA
// "keda-hpa-" and the ScaledObject's name, in at most 63.
const suffix = "-pfn"

// ObjectName is the name of the objects of a function. A ConfigMap has the hash of its text behind it.
func ObjectName(key function.Key) string { return key.Name + suffix }

func (b *blueprint) name() string { return ObjectName(b.fn.Key()) }

// labels of the function itself are not among them: those of deployment tools (app.kubernetes.io/instance) would make the tools
// believe the objects are theirs to delete. The name is the objects' own, as a user's Service may well select what is called
// like the function.
func (b *blueprint) labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": b.name(), "app.kubernetes.io/managed-by": ManagedBy,
		"app.kubernetes.io/part-of": partOf, "app.kubernetes.io/component": component,
		FunctionLabel: b.fn.Metadata.Name,
	}
}

func typeMeta(kind schema.GroupVersionKind) metav1.TypeMeta {
	apiVersion, name := kind.ToAPIVersionAndKind()
	return metav1.TypeMeta{APIVersion: apiVersion, Kind: name}
}

func (b *blueprint) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: b.name(), Namespace: b.fn.Metadata.Namespace, Labels: b.labels()}
}

// selector matches the pods of the function. It can never be changed, so it is as small as can be.
func (b *blueprint) selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{FunctionLabel: b.fn.Metadata.Name}}
}
