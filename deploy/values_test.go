package deploy

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
)

// value is one that a user can set: its path, what it is by default, and what the comment above it says.
type value struct{ path, standard, comment string }

// readValues reads values.yaml down to what the schema does not name one by one.
func readValues(t *testing.T) []value {
	t.Helper()
	text, err := os.ReadFile("chart/pelton/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return collect(t, "", document.Content[0], schemaOf(t))
}

// schema is as much of a JSON schema as is needed to know which values there are.
type schema struct {
	AdditionalProperties any
	Properties           map[string]*schema
}

func schemaOf(t *testing.T) *schema {
	t.Helper()
	text, err := os.ReadFile("chart/pelton/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := &schema{}
	if err := json.Unmarshal(text, s); err != nil {
		t.Fatal(err)
	}
	return s
}

func collect(t *testing.T, prefix string, node *yaml.Node, s *schema) (values []value) {
	t.Helper()
	if s.AdditionalProperties != false {
		t.Errorf("values.schema.json: %s takes what is misspelled: want additionalProperties false", strings.TrimSuffix(prefix, "."))
	}
	var names []string
	for i := 0; i < len(node.Content); i += 2 {
		key, child := node.Content[i], node.Content[i+1]
		names = append(names, key.Value)
		path, sub := prefix+key.Value, s.Properties[key.Value]
		switch {
		case sub == nil:
			t.Errorf("values.schema.json does not know %s", path)
		case sub.Properties != nil:
			values = append(values, collect(t, path+".", child, sub)...)
		default:
			values = append(values, value{path, standardOf(t, child), sentence(key.HeadComment)})
		}
	}
	for name := range s.Properties {
		if name != "global" && !slices.Contains(names, name) {
			t.Errorf("values.schema.json has %s%s, values.yaml does not", prefix, name)
		}
	}
	return values
}

// standardOf writes a default in one line.
func standardOf(t *testing.T, node *yaml.Node) string {
	t.Helper()
	var v any
	if err := node.Decode(&v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(text), `"`)
}

func sentence(comment string) string {
	var words []string
	for line := range strings.Lines(comment) {
		words = append(words, strings.TrimSpace(strings.TrimPrefix(line, "#")))
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// valuesHeading begins the table of all values, with which install.md ends.
const valuesHeading = "\n## Values\n\n| value | default | |\n|---|---|---|\n"

// TestValuesAreDocumented: the table of install.md is what values.yaml says.
func TestValuesAreDocumented(t *testing.T) {
	t.Parallel()
	const page = "docs/install.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, table, found := strings.Cut(string(text), valuesHeading)
	if !found {
		t.Fatalf("%s has no heading for the table of values", page)
	}
	var want strings.Builder
	for _, v := range readValues(t) {
		if v.comment == "" {
			t.Errorf("values.yaml does not say what %s is", v.path)
		}
		standard := ""
		if v.standard != "" {
			standard = "`" + v.standard + "`"
		}
		want.WriteString("| `" + v.path + "` | " + standard + " | " + v.comment + " |\n")
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+valuesHeading+want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), table); diff != "" {
		t.Errorf("%s has another table of values (go test ./deploy -run TestValues -update):\n%s", page, diff)
	}
}

// TestChartVariables: the chart sets no variable that a program does not know.
func TestChartVariables(t *testing.T) {
	t.Parallel()
	known := map[string]string{"controller": "../cmd/pelton-controller/main.go", "scaler": "docs/scaler.md", "bridge": "../cmd/pelton-bridge/main.go"}
	given := map[string]bool{"GOMEMLIMIT": true} // by the values of a test
	seen := 0
	for _, path := range releases {
		for _, p := range pods(readRelease(t, path)) {
			for _, c := range p.Spec.Containers {
				page := known[c.Name]
				if page == "" {
					continue
				}
				text, err := os.ReadFile(page)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range c.Env {
					seen++
					if !given[v.Name] && !regexp.MustCompile(`\b`+v.Name+`\b`).Match(text) {
						t.Errorf("%s: %s knows no %s", path, page, v.Name)
					}
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d variables were found", seen)
	}
}

// envOf is what the first container of a pod has in its environment.
func envOf(t *testing.T, p corev1.PodTemplateSpec, name string) string {
	t.Helper()
	for _, v := range p.Spec.Containers[0].Env {
		if v.Name == name {
			return v.Value
		}
	}
	t.Errorf("%s is not set", name)
	return ""
}
