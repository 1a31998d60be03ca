package controller_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// reconciled counts the reconciliations that went well.
func reconciled(t *testing.T) (n float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			n += m.GetCounter().GetValue()
		}
	}
	return n
}
