package desired

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/pelton-dev/pelton/internal/function"
)

// RestartedAnnotation on a Function is copied to its pods: another text rolls out new ones, which read secrets anew. The
// controller may not read secrets, so it cannot see that one has changed.
const RestartedAnnotation = "pelton.dev/restartedAt"

// ConfigAnnotation is on pods and holds the hash of the config maps that the handler is given something of. Whoever applies the
// objects sets it: what is in a config map only the cluster knows.
const ConfigAnnotation = "pelton.dev/config-hash"

// secondHand is in front of the name of a variable of protocol exec that comes from a secret or config map: there the handler's
// variables go through the sidecar, which has some of its own.
const secondHand = "PELTON_HANDLER_ENV_"

// podAnnotations say which manifest a pod runs, and since when it was asked to start anew.
func (b *blueprint) podAnnotations() map[string]string {
	annotations := map[string]string{ManifestAnnotation: b.manifest.hash}
	if at := b.fn.Metadata.Annotations[RestartedAnnotation]; at != "" {
		annotations[RestartedAnnotation] = at
	}
	return annotations
}

// references are the handler's variables that come from elsewhere, their names behind a prefix.
func (b *blueprint) references(prefix string) (env []corev1.EnvVar) {
	for _, v := range b.fn.Spec.Handler.Env {
		if v.ValueFrom != nil {
			env = append(env, corev1.EnvVar{Name: prefix + v.Name, ValueFrom: sourceOf(v.ValueFrom)})
		}
	}
	return env
}

func sourceOf(from *function.ValueSource) *corev1.EnvVarSource {
	if ref := from.SecretKeyRef; ref != nil {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Key: ref.Key, Optional: yes(ref.Optional),
		}}
	}
	ref := from.ConfigMapKeyRef
	return &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name}, Key: ref.Key, Optional: yes(ref.Optional),
	}}
}

// yes leaves out what is not so, as Kubernetes does.
func yes(is bool) *bool {
	if !is {
		return nil
	}
	return new(true)
}

func mountName(i int) string { return "mount-" + strconv.Itoa(i) }

// mounts are where the handler finds its secrets and config maps.
func (b *blueprint) mounts() (mounts []corev1.VolumeMount) {
	for i, m := range b.fn.Spec.Handler.Mounts {
		mounts = append(mounts, corev1.VolumeMount{Name: mountName(i), MountPath: m.Path, ReadOnly: true})
	}
	return mounts
}

// mountVolumes are what is mounted. Others than the handler's user and group may not read it.
func (b *blueprint) mountVolumes() (volumes []corev1.Volume) {
	for i, m := range b.fn.Spec.Handler.Mounts {
		volume := corev1.Volume{Name: mountName(i)}
		if m.Secret != "" {
			volume.Secret = &corev1.SecretVolumeSource{SecretName: m.Secret, Optional: yes(m.Optional), DefaultMode: new(int32(0o440))}
		} else {
			volume.ConfigMap = &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: m.ConfigMap}, Optional: yes(m.Optional), DefaultMode: new(int32(0o440)),
			}
		}
		volumes = append(volumes, volume)
	}
	return volumes
}
