package desired_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	extensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// TestScaledObjectFitsKEDA compares every ScaledObject with the schema of the KEDA that go.mod names: we write its fields by
// name, and one that KEDA does not know would be dropped without a word.
func TestScaledObjectFitsKEDA(t *testing.T) {
	t.Parallel()
	schema := kedaSchema(t)
	for _, name := range goldenNames(t) {
		o := only(t, objectsOf(t, goldenFunction(t, name), goldenSettings(name)), "ScaledObject")
		for _, p := range misfits("", o.Object, schema) {
			t.Errorf("%s: %s", name, p)
		}
	}
}

// TestMisfits shows that the comparison can fail.
func TestMisfits(t *testing.T) {
	t.Parallel()
	o := only(t, objectsOf(t, goldenFunction(t, "minimal"), usualSettings()), "ScaledObject")
	spec := o.Object["spec"].(map[string]any)
	spec["maxReplicas"] = int64(3)
	spec["maxReplicaCount"] = int64(0)
	spec["cooldownPeriod"] = "30"
	delete(spec, "scaleTargetRef")
	trigger := spec["triggers"].([]any)[0].(map[string]any)
	trigger["metadata"].(map[string]any)["function"] = int64(7)
	trigger["authenticationRef"].(map[string]any)["kind"] = "Secret"
	want := []string{
		".spec.cooldownPeriod: is no integer", ".spec.maxReplicaCount: is less than 1", ".spec.maxReplicas: is unknown",
		".spec.scaleTargetRef: is missing",
		".spec.triggers[0].authenticationRef.kind: is none of TriggerAuthentication, ClusterTriggerAuthentication",
		".spec.triggers[0].metadata.function: is no string",
	}
	got := misfits("", o.Object, kedaSchema(t))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("misfits (-want +got):\n%s", diff)
	}
}

// TestWithoutCertificates leaves the reference out: KEDA would look for an object without a name.
func TestWithoutCertificates(t *testing.T) {
	t.Parallel()
	s := usualSettings()
	s.TriggerAuthentication = desired.TriggerAuthentication{}
	o := only(t, objectsOf(t, goldenFunction(t, "minimal"), s), "ScaledObject")
	triggers, _, err := unstructured.NestedSlice(o.Object, "spec", "triggers")
	if err != nil || len(triggers) != 1 {
		t.Fatalf("triggers %v, %v", triggers, err)
	}
	if ref, there := triggers[0].(map[string]any)["authenticationRef"]; there {
		t.Errorf("it names %v", ref)
	}
}

// TestGoalInTheTrigger finds a goal in events there, and none where the goal is a time: the scaler would take the number for the
// goal and follow the speed of the handler no more.
func TestGoalInTheTrigger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*function.Spec)
		want   any
	}{
		"none":        {func(s *function.Spec) { s.Concurrency = 7 }, "7"},
		"in events":   {func(s *function.Spec) { s.Scale.Target.Backlog = 500 }, "500"},
		"the largest": {func(s *function.Spec) { s.Scale.Target.Backlog = 1_000_000 }, "1000000"},
		"in time":     {func(s *function.Spec) { s.Scale.Target.Drain = function.Duration(time.Second) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn := goldenFunction(t, "minimal")
			c.change(&fn.Spec)
			o := only(t, objectsOf(t, fn, usualSettings()), "ScaledObject")
			triggers, _, err := unstructured.NestedSlice(o.Object, "spec", "triggers")
			if err != nil || len(triggers) != 1 {
				t.Fatalf("triggers %v, %v", triggers, err)
			}
			if got := triggers[0].(map[string]any)["metadata"].(map[string]any)["backlog"]; got != c.want {
				t.Errorf("backlog %v, want %v", got, c.want)
			}
		})
	}
}

func kedaSchema(t *testing.T) *extensionsv1.JSONSchemaProps {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/kedacore/keda/v2").Output()
	if err != nil {
		t.Fatalf("find KEDA: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "config/crd/bases/keda.sh_scaledobjects.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd extensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		t.Fatal(err)
	}
	for _, v := range crd.Spec.Versions {
		if v.Name == "v1alpha1" && v.Served {
			return v.Schema.OpenAPIV3Schema
		}
	}
	t.Fatal("KEDA does not serve v1alpha1")
	return nil
}

// misfits returns what in v is not as the schema says.
func misfits(path string, v any, s *extensionsv1.JSONSchemaProps) (found []string) {
	add := func(format string, args ...any) { found = append(found, path+": "+fmt.Sprintf(format, args...)) }
	switch v := v.(type) {
	case map[string]any:
		if s.Type != "object" {
			add("is an object")
			return found
		}
		return misfitFields(path, v, s)
	case []any:
		if s.Type != "array" {
			add("is a list")
			return found
		}
		for i, item := range v {
			found = append(found, misfits(fmt.Sprintf("%s[%d]", path, i), item, s.Items.Schema)...)
		}
	case string:
		if s.Type != "string" {
			add("is no %s", s.Type)
		}
		if values := enum(s); len(values) > 0 && !slices.Contains(values, v) {
			add("is none of %s", strings.Join(values, ", "))
		}
	case int64:
		if s.Type != "integer" {
			add("is no %s", s.Type)
		}
		if s.Minimum != nil && float64(v) < *s.Minimum {
			add("is less than %v", *s.Minimum)
		}
	default:
		add("is a %T", v)
	}
	return found
}

func misfitFields(path string, v map[string]any, s *extensionsv1.JSONSchemaProps) (found []string) {
	for _, name := range s.Required {
		if _, there := v[name]; !there {
			found = append(found, path+"."+name+": is missing")
		}
	}
	for name, value := range v {
		field, known := s.Properties[name]
		switch {
		case path == "" && name == "metadata": // of every object, and in no schema
		case known:
			found = append(found, misfits(path+"."+name, value, &field)...)
		case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
			found = append(found, misfits(path+"."+name, value, s.AdditionalProperties.Schema)...)
		default:
			found = append(found, path+"."+name+": is unknown")
		}
	}
	return found
}

func enum(s *extensionsv1.JSONSchemaProps) (values []string) {
	for _, v := range s.Enum {
		values = append(values, strings.Trim(string(v.Raw), `"`))
	}
	return values
}
