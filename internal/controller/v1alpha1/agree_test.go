package v1alpha1_test

import (
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// leastCases keeps the test from becoming one of nothing: so many good and bad manifests are compared at least.
const leastCases = 500

// TestAgree has the validator and the resource definition judge the same manifests. The apiserver must never refuse what the
// validator takes; what the validator alone refuses is listed.
func TestAgree(t *testing.T) {
	t.Parallel()
	cases := allCases(t)
	manifests := make([][]byte, len(cases))
	for i, c := range cases {
		manifests[i] = c.text
	}
	compare(t, cases, byDefinition(t, manifests))
}

func allCases(t *testing.T) []manifestCase {
	t.Helper()
	cases := append(kindCases(t), valueCases(t)...)
	cases = append(cases, togetherCases(t)...)
	cases = append(cases, exceptionCases(t)...)
	return append(cases, randomCases(t)...)
}

// compare compares an apiserver's verdicts with the validator's.
func compare(t *testing.T, cases []manifestCase, verdicts []error) {
	t.Helper()
	good, bad := 0, 0
	for i, c := range cases {
		validator := byValidator(c.text)
		if wrong := disagreement(c, validator, verdicts[i]); wrong != "" {
			t.Errorf("%s: %.2000s\n%.300s", c.name, wrong, c.text)
		}
		if validator == nil {
			good++
		} else {
			bad++
		}
	}
	t.Logf("%d good and %d bad manifests", good, bad)
	if good < leastCases || bad < leastCases {
		t.Errorf("%d good and %d bad manifests are too few", good, bad)
	}
}

// TestDefinitionHasNoDefaults: one in the definition would be stored with each object and stay there for good, and those that
// depend on the protocol cannot be written in it. So the validator's are the only ones.
func TestDefinitionHasNoDefaults(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(definition)
	if err != nil {
		t.Fatal(err)
	}
	var crd map[string]any
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	found := places(crd, "")
	if len(found) < 500 {
		t.Errorf("the definition has %d fields", len(found))
	}
	for _, path := range found {
		if strings.HasSuffix(path, ".default") {
			t.Errorf("%s is set", path)
		}
	}
}

// TestExceptionsAreDocumented: who reads the page knows what a cluster stores and does not serve.
func TestExceptionsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../deploy/docs/manifest.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range exceptionCases(t) {
		rule, _, _ := strings.Cut(c.beyond, ",")
		if c.beyond != "" && !strings.Contains(string(page), "\n- "+rule+"\n") {
			t.Errorf("deploy/docs/manifest.md does not say: %s", rule)
		}
	}
}
