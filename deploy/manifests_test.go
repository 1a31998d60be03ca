package deploy

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/rpcserver"
)

// TestObjects: every object has a name, and a namespace that exists where objects of its kind have one.
func TestObjects(t *testing.T) {
	t.Parallel()
	all := read(t)
	made := map[string]bool{}
	for _, n := range of[*namespace](all, "") {
		made[n.Metadata.Name] = true
		if n.Metadata.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			t.Errorf("namespace %s does not enforce the restricted standard", n.Metadata.Name)
		}
	}
	for _, m := range all {
		clusterWide := m.Kind == "Namespace" || m.Kind == "ClusterTriggerAuthentication"
		switch {
		case m.Metadata.Name == "":
			t.Errorf("%s: a %s has no name", m.file, m.Kind)
		case clusterWide != (m.Metadata.Namespace == ""), !clusterWide && !made[m.Metadata.Namespace]:
			t.Errorf("%s: %s %s is in namespace %q", m.file, m.Kind, m.Metadata.Name, m.Metadata.Namespace)
		}
	}
	if len(all) < 15 {
		t.Errorf("%d objects were found", len(all))
	}
}

// TestPodsAreRestricted: they run under the strictest of Kubernetes' standards, and need nothing of its API.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	for _, w := range of[*workload](read(t), "") {
		p, is := w.Spec.Template.Spec, isFalse
		if s := p.SecurityContext; !s.RunAsNonRoot || s.RunAsUser == 0 || s.SeccompProfile.Type != "RuntimeDefault" {
			t.Errorf("%s: securityContext is %+v", w.Metadata.Name, s)
		}
		if !is(p.AutomountServiceAccountToken) || !is(p.EnableServiceLinks) {
			t.Errorf("%s has a token, or the addresses of services in its environment", w.Metadata.Name)
		}
		for _, c := range p.Containers {
			s := c.SecurityContext
			if !is(s.AllowPrivilegeEscalation) || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
				t.Errorf("%s/%s: securityContext is %+v", w.Metadata.Name, c.Name, s)
			}
			if c.Resources.Requests["cpu"] == "" || c.Resources.Requests["memory"] == "" || c.Resources.Limits["memory"] == "" {
				t.Errorf("%s/%s: resources are %+v", w.Metadata.Name, c.Name, c.Resources)
			}
		}
	}
}

func isFalse(b *bool) bool { return b != nil && !*b }

// TestSelectorsAndPorts: what points at pods, at ports and at volumes points at some.
func TestSelectorsAndPorts(t *testing.T) {
	t.Parallel()
	all := read(t)
	for _, w := range of[*workload](all, "") {
		if !maps.Equal(w.Spec.Selector.MatchLabels, w.Spec.Template.Metadata.Labels) {
			t.Errorf("%s does not select its own pods", w.Metadata.Name)
		}
		ports, volumes := portsOf(w), map[string]bool{}
		for _, v := range w.Spec.Template.Spec.Volumes {
			volumes[v.Name] = true
		}
		for _, c := range w.Spec.Template.Spec.Containers {
			for _, p := range []probe{c.ReadinessProbe, c.LivenessProbe} {
				if p.HTTPGet.Path != "" && !ports[p.HTTPGet.Port] {
					t.Errorf("%s/%s: a probe asks port %q", w.Metadata.Name, c.Name, p.HTTPGet.Port)
				}
			}
			for _, m := range c.VolumeMounts {
				if !volumes[m.Name] {
					t.Errorf("%s/%s mounts %q, which is no volume", w.Metadata.Name, c.Name, m.Name)
				}
			}
		}
	}
	for _, s := range of[*service](all, "") {
		w := only[*workload](t, all, "", s.Metadata.Name)
		if s.Spec.ClusterIP != "None" || !maps.Equal(s.Spec.Selector, w.Spec.Template.Metadata.Labels) {
			t.Errorf("service %s is not headless, or selects no pods", s.Metadata.Name)
		}
		for _, p := range s.Spec.Ports {
			if !portsOf(w)[p.TargetPort] {
				t.Errorf("service %s: its pods have no port %q", s.Metadata.Name, p.TargetPort)
			}
		}
	}
}

func portsOf(w *workload) map[string]bool {
	ports := map[string]bool{}
	for _, c := range w.Spec.Template.Spec.Containers {
		for _, p := range c.Ports {
			ports[p.Name] = true
		}
	}
	return ports
}

// TestImages: names are placeholders that one sed replaces, and that the lab's images have behind its registry.
func TestImages(t *testing.T) {
	t.Parallel()
	loaded := []string{lab.ScalerImage, lab.SidecarImage, lab.HelloImage}
	users := []string{"nats:2.12", "worker:dev"} // the public image, and the user's own program
	for _, w := range of[*workload](read(t), "") {
		for _, c := range w.Spec.Template.Spec.Containers {
			if !slices.Contains(loaded, "pelton.local/"+c.Image) && !slices.Contains(users, c.Image) {
				t.Errorf("%s/%s: the lab has no image %s", w.Metadata.Name, c.Name, c.Image)
			}
			if c.ImagePullPolicy != "IfNotPresent" {
				t.Errorf("%s/%s: imagePullPolicy %s pulls an image that was loaded", w.Metadata.Name, c.Name, c.ImagePullPolicy)
			}
		}
	}
}

// TestVariables: what a manifest sets is a variable that the program's page explains.
func TestVariables(t *testing.T) {
	t.Parallel()
	all := read(t)
	pages := map[string]string{
		"scaler": "docs/scaler.md", "sidecar": "docs/sidecar.md", "handler": "docs/handler-protocols.md",
	}
	for _, dir := range []string{"scaler/", "trial/"} {
		for name := range only[*configMap](t, all, dir, "pelton-scaler").Data {
			explained(t, "docs/scaler.md", name)
		}
	}
	for _, w := range of[*workload](all, "") {
		for _, c := range w.Spec.Template.Spec.Containers {
			for _, v := range c.Env {
				if page := pages[c.Name]; page != "" {
					explained(t, page, v.Name)
				}
			}
		}
	}
}

func explained(t *testing.T, page, name string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "`"+name+"`") {
		t.Errorf("%s knows no %s", page, name)
	}
}

// TestSettingsForATrial: a ScaledObject is the same with certificates and without.
func TestSettingsForATrial(t *testing.T) {
	t.Parallel()
	all := read(t)
	only[*authentication](t, all, "trial/", "pelton-scaler")
	trial := only[*configMap](t, all, "trial/", "pelton-scaler").Data
	if trial["PELTON_INSECURE"] != "true" || trial["PELTON_TLS_DIR"] != "" {
		t.Errorf("a trial has %v", trial)
	}
	scaler := only[*configMap](t, all, "scaler/", "pelton-scaler").Data
	if scaler["PELTON_INSECURE"] != "" || scaler["PELTON_TLS_DIR"] == "" {
		t.Errorf("the scaler has %v", scaler)
	}
}

// TestGracePeriods: nothing is killed while it still drains.
func TestGracePeriods(t *testing.T) {
	t.Parallel()
	all := read(t)
	scaler := only[*workload](t, all, "scaler/", "pelton-scaler").Spec.Template.Spec
	if grace := seconds(scaler.TerminationGracePeriodSeconds); grace < rpcserver.DefaultStopTimeout+5*time.Second {
		t.Errorf("the scaler has %v to drain", grace)
	}
	fn := exampleFunction(t, all)
	hello := only[*workload](t, all, "example/", "hello").Spec.Template.Spec
	drain, err := time.ParseDuration(variable(hello, "sidecar", "PELTON_DRAIN_TIMEOUT"))
	if err != nil {
		t.Fatal(err)
	}
	grace := seconds(hello.TerminationGracePeriodSeconds)
	if timeout := time.Duration(fn.Spec.Timeout); drain <= timeout || grace < drain+5*time.Second {
		t.Errorf("a call may take %v, the sidecar drains for %v and is killed after %v", timeout, drain, grace)
	}
	if a, b := variable(hello, "sidecar", "PELTON_SOCKET"), variable(hello, "handler", "PELTON_SOCKET"); a != b || a == "" {
		t.Errorf("the sidecar is at %q, the handler looks for it at %q", a, b)
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// variable is what a container has in its environment.
func variable(p pod, container, name string) string {
	for _, c := range p.Containers {
		for _, v := range c.Env {
			if c.Name == container && v.Name == name {
				return v.Value
			}
		}
	}
	return ""
}

// exampleFunction reads the Function that the example's sidecar gets.
func exampleFunction(t *testing.T, all []manifest) *function.Function {
	t.Helper()
	const file = "function.yaml"
	fns, problems := function.Parse([]byte(only[*configMap](t, all, "example/", "hello").Data[file]), file)
	if len(problems) > 0 || len(fns) != 1 {
		t.Fatalf("the example's manifest holds %d functions: %v", len(fns), problems)
	}
	return fns[0]
}
