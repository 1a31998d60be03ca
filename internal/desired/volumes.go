package desired

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/pelton-dev/pelton/internal/function"
)

// The volumes of a pod, and where they are mounted.
const (
	manifestVolume, manifestDir = "manifest", "/etc/pelton"
	natsVolume, natsDir         = "nats", "/etc/pelton-nats"
	socketVolume, socketDir     = "socket", "/run/pelton"
	tmpVolume, tmpDir           = "tmp", "/tmp"

	socketPath = socketDir + "/handler.sock"
	credsPath  = natsDir + "/nats.creds"
	caPath     = natsDir + "/ca.crt"
)

// usesSocket reports whether handler and sidecar meet on a unix socket, and not on a port or in one process tree.
func (b *blueprint) usesSocket() bool {
	h := b.fn.Spec.Handler
	return h.Protocol == function.ProtocolStream || h.Listen == function.ListenUnix
}

func (b *blueprint) volumes() []corev1.Volume {
	volumes := []corev1.Volume{
		{Name: manifestVolume, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: b.configMapName()},
		}}},
		empty(tmpVolume),
	}
	if b.usesSocket() {
		volumes = append(volumes, empty(socketVolume))
	}
	if c := b.s.NATSCredentials; c.Secret != "" {
		volumes = append(volumes, secretFiles(c))
	}
	return append(volumes, b.mountVolumes()...)
}

func empty(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

// secretFiles is a directory, as a file that is mounted alone never changes: credentials are renewed while pods run.
func secretFiles(c NATSCredentials) corev1.Volume {
	var items []corev1.KeyToPath
	if c.Creds != "" {
		items = append(items, corev1.KeyToPath{Key: c.Creds, Path: "nats.creds"})
	}
	if c.CA != "" {
		items = append(items, corev1.KeyToPath{Key: c.CA, Path: "ca.crt"})
	}
	return corev1.Volume{Name: natsVolume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: c.Secret, Items: items, DefaultMode: new(int32(0o440)),
	}}}
}
