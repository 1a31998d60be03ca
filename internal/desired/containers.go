package desired

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/function"
)

// Names of the containers.
const (
	HandlerContainer = "handler"
	SidecarContainer = "sidecar"
)

const healthPortName = "health"

// usualHealthPort is where the sidecar answers probes and metrics, unless the handler listens there: they share one network.
const usualHealthPort = 8081

func (b *blueprint) healthPort() int32 {
	if b.fn.Spec.Handler.Port == usualHealthPort {
		return usualHealthPort + 1
	}
	return usualHealthPort
}

// containers are the handler and its sidecar. For protocol exec there is the sidecar alone, which starts the command for each
// event: the program must be in its image, so that is the function's image, built on the sidecar's and with its entrypoint.
func (b *blueprint) containers() []corev1.Container {
	if b.fn.Spec.Handler.Protocol == function.ProtocolExec {
		c := b.sidecar(b.fn.Spec.Handler.Image)
		c.Resources = b.resources.ofExec()
		c.VolumeMounts = append(append(c.VolumeMounts, corev1.VolumeMount{Name: tmpVolume, MountPath: tmpDir}), b.mounts()...)
		c.Env = append(c.Env, b.references(secondHand)...)
		return []corev1.Container{c}
	}
	c := b.sidecar(b.s.SidecarImage)
	c.Resources = b.resources.ofSidecar(b.s.SidecarResources, b.fn.Spec.InFlight())
	return []corev1.Container{b.handler(), c}
}

// handler comes first: it is the one whose logs `kubectl logs` shows. Its port is not declared: on 127.0.0.1, as on one machine,
// it serves its sidecar and nobody else.
func (b *blueprint) handler() corev1.Container {
	c := b.container(HandlerContainer, b.fn.Spec.Handler.Image)
	c.Command = literal(b.fn.Spec.Handler.Command)
	c.Env = b.handlerEnv()
	c.Resources = b.resources.asked
	c.VolumeMounts = append([]corev1.VolumeMount{{Name: tmpVolume, MountPath: tmpDir}}, b.mounts()...)
	if b.usesSocket() {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: socketVolume, MountPath: socketDir})
	}
	return c
}

// sidecar is ready while events are delivered, which takes a handler that is ready too. It is alive while it answers at all, and
// is given time to: a restart would interrupt calls and mend neither NATS nor the handler.
func (b *blueprint) sidecar(image string) corev1.Container {
	c := b.container(SidecarContainer, image)
	c.Env = b.sidecarEnv()
	c.Ports = []corev1.ContainerPort{{Name: healthPortName, ContainerPort: b.healthPort(), Protocol: corev1.ProtocolTCP}}
	c.ReadinessProbe = &corev1.Probe{ProbeHandler: get("/readyz"), PeriodSeconds: 1}
	c.LivenessProbe = &corev1.Probe{ProbeHandler: get("/livez"), PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 6}
	c.VolumeMounts = []corev1.VolumeMount{{Name: manifestVolume, MountPath: manifestDir, ReadOnly: true}}
	if b.s.NATSCredentials.Secret != "" {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: natsVolume, MountPath: natsDir, ReadOnly: true})
	}
	if b.usesSocket() {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: socketVolume, MountPath: socketDir})
	}
	return c
}

func get(path string) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(healthPortName)}}
}

// container is what both have in common: they pass the restricted Pod Security rules and write to /tmp alone, and the last they
// said is in the status of the pod.
func (b *blueprint) container(name, image string) corev1.Container {
	return corev1.Container{
		Name: name, Image: image, ImagePullPolicy: b.s.ImagePullPolicy,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

// handlerEnv is what a handler is told everywhere (deploy/docs/handler-protocols.md), and then what its manifest says.
func (b *blueprint) handlerEnv() []corev1.EnvVar {
	h, m := b.fn.Spec.Handler, b.fn.Metadata
	env := []corev1.EnvVar{
		{Name: "PELTON_FUNCTION", Value: m.Name},
		{Name: "PELTON_NAMESPACE", Value: m.Namespace},
		podName("PELTON_REPLICA"),
		{Name: "PELTON_PROTOCOL", Value: string(h.Protocol)},
	}
	if b.usesSocket() {
		env = append(env, corev1.EnvVar{Name: "PELTON_SOCKET", Value: socketPath})
	} else {
		env = append(env, corev1.EnvVar{Name: "PORT", Value: strconv.Itoa(h.Port)})
	}
	for _, v := range h.Env {
		if v.ValueFrom == nil {
			env = append(env, corev1.EnvVar{Name: v.Name, Value: escape(v.Value)})
		}
	}
	return append(env, b.references("")...)
}

// sidecarEnv is in deploy/docs/sidecar.md. The controller makes the streams and consumers, so the sidecar does not.
func (b *blueprint) sidecarEnv() []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: "NATS_URL", Value: escape(b.s.NATSURL)},
		{Name: "PELTON_MANIFEST_FILE", Value: manifestDir + "/" + manifestFile},
		podName("PELTON_REPLICA"),
		{Name: "PELTON_HEALTH_ADDRESS", Value: ":" + strconv.Itoa(int(b.healthPort()))},
		{Name: "PELTON_DRAIN_TIMEOUT", Value: b.drain().String()},
		{Name: "PELTON_PROVISION", Value: "false"},
	}
	add := func(when bool, name, value string) {
		if when {
			env = append(env, corev1.EnvVar{Name: name, Value: value})
		}
	}
	add(b.s.NATSCredentials.Creds != "", "NATS_CREDS", credsPath)
	add(b.s.NATSCredentials.CA != "", "NATS_CA", caPath)
	add(demand.PolicyOf(&b.fn.Spec).Max > 1, "PELTON_TELL_BUSY", "true") // a single replica is compared with nobody
	add(b.usesSocket(), "PELTON_SOCKET", socketPath)
	add(b.s.LogLevel != "", "PELTON_LOG_LEVEL", b.s.LogLevel)
	return env
}

func podName(variable string) corev1.EnvVar {
	return corev1.EnvVar{Name: variable, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"},
	}}
}

// escape keeps Kubernetes from replacing $(NAME) in a text: one machine does not either.
func escape(text string) string { return strings.ReplaceAll(text, "$", "$$") }

func literal(command []string) (escaped []string) {
	for _, arg := range command {
		escaped = append(escaped, escape(arg))
	}
	return escaped
}
