package desired

import (
	corev1 "k8s.io/api/core/v1"
)

var serviceAccountKind = corev1.SchemeGroupVersion.WithKind("ServiceAccount")

// serviceAccount has no rights and no token: neither the sidecar nor the handler talks to Kubernetes. It is not the default one
// of the namespace, which somebody may have given rights.
func (b *blueprint) serviceAccount() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta:                     typeMeta(serviceAccountKind),
		ObjectMeta:                   b.meta(),
		AutomountServiceAccountToken: new(false),
	}
}
