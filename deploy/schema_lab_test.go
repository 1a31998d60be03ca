package deploy

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
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

// certManager is the release whose definition of certificates ours must be good for.
const certManager = "github.com/cert-manager/cert-manager@v1.18.2"

// TestCertManagerSchema has a real apiserver look at the certificates that the chart asks cert-manager for, with the definition that
// cert-manager brings. Nobody signs them.
func TestCertManagerSchema(t *testing.T) {
	r := openLab(t)
	const namespace, certificates = "chart-lab-certs", "certificates.cert-manager.io"
	r.kubectl(r.certificateDefinition(), "apply", "--server-side", "-f", "-")
	r.kubectl("", "delete", "namespace", namespace, "--ignore-not-found", "--wait=true")
	r.kubectl("", "create", "namespace", namespace)
	t.Cleanup(func() {
		for _, args := range [][]string{{"delete", "namespace", namespace, "--wait=false"}, {"delete", "crd", certificates}} {
			if _, err := r.lab.Kubectl(context.Background(), "", args...); err != nil {
				t.Error(err)
			}
		}
	})
	r.kubectl("", "wait", "--for=condition=Established", "crd/"+certificates)
	wanted := certificatesOf(t, "testdata/chart/namespaced.yaml", namespace)
	const apply, dry, strict = "apply", "--dry-run=server", "--validate=strict"
	out := r.kubectl(wanted, apply, dry, strict, "-f", "-")
	if n := strings.Count(out, "created"); n != 2 {
		t.Errorf("%d certificates were taken, want those of the scaler and of KEDA:\n%s", n, out)
	}
	wrong := strings.Replace(wanted, "ECDSA", "ECDH", 1)
	if _, err := r.lab.Kubectl(t.Context(), wrong, apply, dry, strict, "-f", "-"); err == nil || !strings.Contains(err.Error(), "ECDH") {
		t.Errorf("an algorithm that there is not: %v", err)
	}
}

// certificateDefinition is cert-manager's, which its Go module has as a template: what its chart would fill in are labels.
func (r *rig) certificateDefinition() string {
	r.t.Helper()
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(r.run("go", "mod", "download", "-json", certManager)), &module); err != nil {
		r.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, "deploy", "crds", "crd-certificates.yaml"))
	if err != nil {
		r.t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^.*\{\{.*\n`).ReplaceAllString(string(text), "")
}

// certificatesOf are the certificates of a rendered release, all in one namespace.
func certificatesOf(t *testing.T, path, namespace string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		if strings.Contains(document, "kind: Certificate\n") {
			lines := strings.Split(document, "\n")
			for i, line := range lines {
				if strings.HasPrefix(line, "  namespace: ") {
					lines[i] = "  namespace: " + namespace
				}
			}
			found = append(found, strings.Join(lines, "\n"))
		}
	}
	return strings.Join(found, "\n---\n")
}
