package kube

import "k8s.io/apimachinery/pkg/runtime/schema"

// Resource is a kind of object, as the apiserver's addresses name it.
type Resource struct {
	schema.GroupVersionResource
	Kind string
}

func resource(group, version, name, kind string) Resource {
	return Resource{schema.GroupVersionResource{Group: group, Version: version, Resource: name}, kind}
}

// Functions is our own kind.
func Functions() Resource { return resource("pelton.dev", "v1alpha1", "functions", "Function") }

// ScaledObjects are KEDA's.
func ScaledObjects() Resource {
	return resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
}

// Deployments run functions.
func Deployments() Resource { return resource("apps", "v1", "deployments", "Deployment") }

// HorizontalPodAutoscalers are made by KEDA, one for each ScaledObject.
func HorizontalPodAutoscalers() Resource {
	return resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
}

// Pods are the replicas.
func Pods() Resource { return resource("", "v1", "pods", "Pod") }

// Services lead to pods.
func Services() Resource { return resource("", "v1", "services", "Service") }

// Events are what has happened to other objects.
func Events() Resource { return resource("", "v1", "events", "Event") }

// Definitions are those of kinds that are not Kubernetes' own.
func Definitions() Resource {
	return resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
}
