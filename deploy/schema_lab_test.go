package deploy

import (
	"context"
	"os"
	"strings"
	"testing"
)

// TestSchema has a real apiserver look at everything that is made of the chart, without storing any of it.
func TestSchema(t *testing.T) {
	r := openLab(t)
	const namespace = "chart-lab-schema"
	r.kubectl("", "delete", "namespace", namespace, "--ignore-not-found", "--wait=true")
	r.kubectl("", "create", "namespace", namespace)
	t.Cleanup(func() {
		if _, err := r.lab.Kubectl(context.Background(), "", "delete", "namespace", namespace, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
	for _, path := range []string{"install.yaml", "testdata/chart/trial.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// Cluster-wide names must not be those of a release that is really there.
		manifest := strings.NewReplacer("pelton-system", namespace, "name: pelton-", "name: chart-lab-schema-").Replace(string(text))
		out := r.kubectl(manifest, "apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", "-")
		if n := strings.Count(out, "serverside-applied"); n != len(readRelease(t, path)) {
			t.Errorf("%s: %d objects were taken, it has %d:\n%s", path, n, len(readRelease(t, path)), out)
		}
	}
}
