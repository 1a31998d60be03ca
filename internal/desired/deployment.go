package desired

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// DeploymentKind is the kind of what runs the function.
var DeploymentKind = appsv1.SchemeGroupVersion.WithKind("Deployment")

// user is who both containers run as: a socket is its owner's alone. It is the "nonroot" of many base images.
const user int64 = 65532

// Times of a stop. Running calls have the function's timeout and a little more, so that none is cut; after that the sidecar
// takes up to 3 s to settle.
const (
	drainMargin = 2 * time.Second
	graceMargin = 8 * time.Second
	maxDrain    = 365 * 24 * time.Hour // what counts as for ever; more would not fit into a time.Duration with its margins
)

// deployment runs the handler with its sidecar. A roll-out takes an old pod away only when a new one is ready, and a quarter
// more pods than wanted may stand meanwhile.
func (b *blueprint) deployment() *appsv1.Deployment {
	return &appsv1.Deployment{
		TypeMeta:   typeMeta(DeploymentKind),
		ObjectMeta: b.meta(),
		Spec: appsv1.DeploymentSpec{
			Selector: b.selector(),
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxUnavailable: new(intstr.FromInt32(0)), MaxSurge: new(intstr.FromString("25%")),
				},
			},
			RevisionHistoryLimit: new(int32(1)), // the way back is the Function, not the Deployment
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: b.labels(), Annotations: b.podAnnotations()},
				Spec:       b.pod(),
			},
		},
	}
}

// pod has no init containers and no lifecycle hooks, as virtual nodes have neither: it stops on SIGTERM alone.
func (b *blueprint) pod() corev1.PodSpec {
	return corev1.PodSpec{
		ServiceAccountName:            b.name(),
		AutomountServiceAccountToken:  new(false),
		EnableServiceLinks:            new(false), // the variables of every Service of the namespace are no business of a handler
		TerminationGracePeriodSeconds: new(seconds(b.drain() + graceMargin)),
		ImagePullSecrets:              pullSecrets(b.s.ImagePullSecrets),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(user), RunAsGroup: new(user),
			FSGroup:        new(user), // so that the sidecar may read its credentials
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: b.containers(),
		Volumes:    b.volumes(),
	}
}

// drain is how long running calls may go on after SIGTERM, in whole seconds.
func (b *blueprint) drain() time.Duration {
	timeout := min(time.Duration(b.fn.Spec.Timeout), maxDrain)
	return time.Duration(seconds(timeout))*time.Second + drainMargin
}

func pullSecrets(names []string) (refs []corev1.LocalObjectReference) {
	for _, name := range names {
		refs = append(refs, corev1.LocalObjectReference{Name: name})
	}
	return refs
}
