// Package v1alpha1 is the custom resource Function: the manifest of package function, as Kubernetes keeps it, and what the
// controller says of it.
//
// It has the types and what is generated from them: their copies and the resource definition in deploy/crd. It does nothing.
//
// +kubebuilder:object:generate=true
// +groupName=pelton.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pelton-dev/pelton/internal/function"
)

// GroupVersion is what apiVersion of a manifest says.
var GroupVersion = schema.GroupVersion{Group: "pelton.dev", Version: "v1alpha1"}

// FunctionKind is the resource.
var FunctionKind = GroupVersion.WithKind(function.Kind)

// Function is a handler, what makes events for it, and how they are delivered to it. Its consumers, its Deployment and what
// scales it are made and kept for it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pfn,categories=pelton
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].status`
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.status.replicas`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Min",type=integer,priority=1,JSONPath=`.spec.scale.minReplicas`
// +kubebuilder:printcolumn:name="Max",type=integer,priority=1,JSONPath=`.spec.scale.maxReplicas`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.spec.handler.image`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9-]{1,50}$')",message="metadata.name: want at most 50 of a-z, 0-9 and -"
type Function struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   function.Spec `json:"spec"`
	Status Status        `json:"status,omitempty"`
}

// FunctionList is several.
//
// +kubebuilder:object:root=true
type FunctionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Function `json:"items"`
}

// Status is what the controller has seen.
type Status struct {
	// The generation of the manifest that all else here is about.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Pods that there are.
	// +optional
	Replicas int32 `json:"replicas"`
	// How many replicas it is held at, if it is. All else here is about that as well.
	// +optional
	HeldReplicas *int32 `json:"heldReplicas,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
