package desired_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// TestDesiredRules checks what holds for every function there can be.
func TestDesiredRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fn, s := anyFunction(t), anySettings(t)
		before := fn.Spec.DeepCopy()
		objects := objectsOf(t, fn, s)
		if diff := cmp.Diff(objects, objectsOf(t, fn, s)); diff != "" {
			t.Errorf("two calls differ:\n%s", diff)
		}
		if diff := cmp.Diff(*before, fn.Spec); diff != "" {
			t.Errorf("the function was changed:\n%s", diff)
		}
		for _, o := range objects {
			checkObject(t, fn, o)
		}
		d := deploymentOf(t, objects)
		checkRestricted(t, d.Spec.Template.Spec)
		checkPod(t, fn, d)
		checkReferences(t, d, objects)
	})
}

// failer is a test, or one case of a property.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func objectsOf(t failer, fn *function.Function, s desired.Settings) []*unstructured.Unstructured {
	t.Helper()
	objects, err := desired.Objects(fn, s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return objects
}

func deploymentOf(t failer, objects []*unstructured.Unstructured) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{}
	o := only(t, objects, "Deployment")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, d, true); err != nil {
		t.Fatalf("%v", err)
	}
	return d
}

func only(t failer, objects []*unstructured.Unstructured, kind string) *unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() == kind {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d %s instead of one", len(found), kind)
	}
	return found[0]
}

func checkObject(t failer, fn *function.Function, o *unstructured.Unstructured) {
	what := o.GetKind() + " " + o.GetName()
	if !slices.Contains(desired.Kinds(), o.GroupVersionKind()) {
		t.Errorf("%s is of no kind that a controller watches", what)
	}
	if o.GetNamespace() != fn.Metadata.Namespace || !strings.HasPrefix(o.GetName(), fn.Metadata.Name+"-pfn") {
		t.Errorf("%s is called so, in namespace %s", what, o.GetNamespace())
	}
	if len("keda-hpa-"+o.GetName()) > 63 && o.GetKind() != "ConfigMap" {
		t.Errorf("%s: KEDA refuses the name of its HPA, which would be longer than 63", what)
	}
	for key, value := range o.GetLabels() {
		if len(value) > 63 {
			t.Errorf("%s: label %s is longer than 63", what, key)
		}
	}
	for _, path := range [][]string{{"spec", "replicas"}, {"status"}, {"metadata", "creationTimestamp"}, {"spec", "fallback"}} {
		if _, there, _ := unstructured.NestedFieldNoCopy(o.Object, path...); there {
			t.Errorf("%s has %s", what, strings.Join(path, "."))
		}
	}
	for _, path := range nulls("", o.Object) {
		t.Errorf("%s: %s is null", what, path)
	}
	o.DeepCopy() // it panics if a value is of a type that JSON does not have
}

func nulls(path string, v any) (found []string) {
	switch v := v.(type) {
	case nil:
		return []string{path}
	case map[string]any:
		for key, value := range v {
			found = append(found, nulls(path+"."+key, value)...)
		}
	case []any:
		for _, value := range v {
			found = append(found, nulls(path+"[]", value)...)
		}
	}
	return found
}

// checkPod compares the pod with what the function asks for.
func checkPod(t failer, fn *function.Function, d *appsv1.Deployment) {
	pod, h := d.Spec.Template.Spec, fn.Spec.Handler
	if isExec := h.Protocol == function.ProtocolExec; isExec != (len(pod.Containers) == 1) {
		t.Errorf("protocol %s has %d containers", h.Protocol, len(pod.Containers))
	}
	sidecar := pod.Containers[len(pod.Containers)-1]
	drain, err := time.ParseDuration(envOf(sidecar)["PELTON_DRAIN_TIMEOUT"])
	grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	if err != nil || drain <= min(time.Duration(fn.Spec.Timeout), 365*24*time.Hour) || grace < drain+5*time.Second {
		t.Errorf("timeout %v, drain %v (%v), grace period %v", fn.Spec.Timeout, drain, err, grace)
	}
	if envOf(sidecar)["PELTON_PROVISION"] != "false" {
		t.Errorf("the sidecar makes consumers, which is the controller's")
	}
	if tells := envOf(sidecar)["PELTON_TELL_BUSY"] == "true"; tells != (max(fn.Spec.Scale.MaxReplicas, fn.Spec.Scale.MinReplicas) > 1) {
		t.Errorf("at most %d replicas, and that each tells how busy it is, is %v", fn.Spec.Scale.MaxReplicas, tells)
	}
	if len(pod.Containers) == 1 {
		return
	}
	env := envOf(pod.Containers[0])
	for _, v := range h.Env {
		if got := expand(env[v.Name], env); got != v.Value {
			t.Errorf("the handler sees %s=%q instead of %q", v.Name, got, v.Value)
		}
	}
	for i, arg := range h.Command {
		if got := expand(pod.Containers[0].Command[i], env); got != arg {
			t.Errorf("argument %d of the handler is %q instead of %q", i, got, arg)
		}
	}
	if env["PELTON_SOCKET"] != envOf(sidecar)["PELTON_SOCKET"] || (env["PELTON_SOCKET"] == "") == (env["PORT"] == "") {
		t.Errorf("handler and sidecar do not meet: %v, %v", env, envOf(sidecar))
	}
	if p := sidecar.Ports[0].ContainerPort; int(p) == h.Port {
		t.Errorf("handler and sidecar both listen on %d", p)
	}
}

func envOf(c corev1.Container) map[string]string {
	env := map[string]string{}
	for _, v := range c.Env {
		env[v.Name] = v.Value
	}
	return env
}

// expand does what the kubelet does with $(NAME) in variables and commands.
func expand(text string, env map[string]string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		value, known := env[name]
		switch {
		case strings.HasPrefix(rest, "$"):
			out.WriteString("$")
			text = rest[1:]
		case strings.HasPrefix(rest, "(") && closed && known:
			out.WriteString(value)
			text = after
		default:
			out.WriteString("$")
			text = rest
		}
	}
}

// checkReferences looks for what the pod names and nobody makes.
func checkReferences(t failer, d *appsv1.Deployment, objects []*unstructured.Unstructured) {
	pod := d.Spec.Template
	if name := only(t, objects, "ServiceAccount").GetName(); pod.Spec.ServiceAccountName != name {
		t.Errorf("service account %s instead of %s", pod.Spec.ServiceAccountName, name)
	}
	if isTrue(pod.Spec.AutomountServiceAccountToken) || pod.Spec.AutomountServiceAccountToken == nil {
		t.Errorf("the pod has a token")
	}
	for key, value := range d.Spec.Selector.MatchLabels {
		if pod.Labels[key] != value {
			t.Errorf("the Deployment does not select its own pods by %s", key)
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = false
		if name := only(t, objects, "ConfigMap").GetName(); v.ConfigMap != nil && v.ConfigMap.Name != name {
			t.Errorf("volume %s is of ConfigMap %s instead of %s", v.Name, v.ConfigMap.Name, name)
		}
	}
	for _, c := range pod.Spec.Containers {
		for _, m := range c.VolumeMounts {
			if _, there := volumes[m.Name]; !there {
				t.Errorf("container %s mounts %s, which is no volume", c.Name, m.Name)
			}
			volumes[m.Name] = true
		}
	}
	for name, used := range volumes {
		if !used {
			t.Errorf("volume %s is mounted nowhere", name)
		}
	}
	target, _, _ := unstructured.NestedString(only(t, objects, "ScaledObject").Object, "spec", "scaleTargetRef", "name")
	if target != d.Name {
		t.Errorf("KEDA scales %s instead of %s", target, d.Name)
	}
}
