package v1alpha1_test

import (
	"testing"
)

// leastCases keeps the test from becoming one of nothing: so many good and bad manifests are compared at least.
const leastCases = 200

// TestAgree has the validator and the resource definition judge the same manifests. The apiserver must never refuse what the
// validator takes; what the validator alone refuses is listed.
func TestAgree(t *testing.T) {
	t.Parallel()
	cases := allCases(t)
	manifests := make([][]byte, len(cases))
	for i, c := range cases {
		manifests[i] = c.text
	}
	good, bad := 0, 0
	for i, server := range byDefinition(t, manifests) {
		validator := byValidator(manifests[i])
		if wrong := disagreement(cases[i], validator, server); wrong != "" {
			t.Errorf("%s: %.2000s\n%.300s", cases[i].name, wrong, cases[i].text)
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

func allCases(t *testing.T) []manifestCase {
	t.Helper()
	cases := append(kindCases(t), valueCases(t)...)
	cases = append(cases, togetherCases(t)...)
	cases = append(cases, exceptionCases(t)...)
	return append(cases, randomCases(t)...)
}
