package desired_test

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// checkRestricted is the restricted level of the Pod Security Standards, for pods of Linux.
func checkRestricted(t failer, p corev1.PodSpec) {
	t.Helper()
	must := func(ok bool, what string) {
		t.Helper()
		if !ok {
			t.Errorf("pod: %s", what)
		}
	}
	must(!p.HostNetwork && !p.HostPID && !p.HostIPC, "it is in a namespace of the host")
	sc := p.SecurityContext
	must(sc != nil && isTrue(sc.RunAsNonRoot), "it may run as root")
	must(sc.RunAsUser != nil && *sc.RunAsUser != 0, "it runs as root")
	must(sc.SeccompProfile != nil && sc.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "it has no seccomp profile")
	must(len(sc.Sysctls) == 0 && sc.SELinuxOptions == nil && sc.AppArmorProfile == nil && sc.WindowsOptions == nil,
		"it sets more than it may")
	for _, v := range p.Volumes {
		must(v.ConfigMap != nil || v.Secret != nil || v.EmptyDir != nil, "volume "+v.Name+" is of no allowed kind")
	}
	must(len(p.InitContainers)+len(p.EphemeralContainers) == 0, "it has init containers, which virtual nodes have not")
	for _, c := range p.Containers {
		sc := c.SecurityContext
		must(sc != nil && sc.AllowPrivilegeEscalation != nil && !*sc.AllowPrivilegeEscalation, c.Name+" may gain privileges")
		must(!isTrue(sc.Privileged) && sc.ProcMount == nil && sc.SeccompProfile == nil, c.Name+" sets more than it may")
		must(sc.RunAsUser == nil && sc.RunAsNonRoot == nil, c.Name+" runs as somebody else")
		must(sc.Capabilities != nil && slices.Equal(sc.Capabilities.Drop, []corev1.Capability{"ALL"}) && len(sc.Capabilities.Add) == 0,
			c.Name+" has capabilities")
		must(isTrue(sc.ReadOnlyRootFilesystem), c.Name+" writes to its image")
		must(c.Lifecycle == nil, c.Name+" has a lifecycle hook, which virtual nodes have not")
		for _, port := range c.Ports {
			must(port.HostPort == 0, c.Name+" takes a port of the host")
		}
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
