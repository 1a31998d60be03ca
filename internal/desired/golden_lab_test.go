package desired_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const (
	goldenNamespace     = "ctl-golden"
	goldenNamespaceYAML = `{apiVersion: v1, kind: Namespace, metadata: {name: ctl-golden, labels: {
  pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}}}`
)

// TestGoldenFilesInALab has a real apiserver, with KEDA's resource definitions and restricted Pod Security, take all golden files
// without a word of warning, and a pod of each Deployment.
func TestGoldenFilesInALab(t *testing.T) {
	t.Parallel()
	testenv.NeedLab(t)
	c, err := lab.New(lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	makeNamespace(t, c)
	for _, name := range goldenNames(t) {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(goldenFile(name))
			if err != nil {
				t.Fatal(err)
			}
			if err := dryRun(t, c, "apply", text); err != nil {
				t.Error(err)
			}
			objects := objectsOf(t, goldenFunction(t, name), goldenSettings(name))
			if err := dryRun(t, c, "create", asYAML(t, []*unstructured.Unstructured{podOf(t, objects)})); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("what is forbidden", func(t *testing.T) { // the checks above can fail
		pod := podOf(t, objectsOf(t, goldenFunction(t, "minimal"), usualSettings()))
		unstructured.RemoveNestedField(pod.Object, "spec", "securityContext")
		err := dryRun(t, c, "create", asYAML(t, []*unstructured.Unstructured{pod}))
		if err == nil || !strings.Contains(err.Error(), "runAsNonRoot") {
			t.Errorf("a pod that may run as root: %v", err)
		}
	})
}

func makeNamespace(t *testing.T, c *lab.Cluster) {
	t.Helper()
	if _, err := c.Kubectl(t.Context(), goldenNamespaceYAML, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := c.Kubectl(context.WithoutCancel(t.Context()), "", "delete", "namespace", goldenNamespace, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
	waittest.Eventually(t, func() error {
		_, err := c.Kubectl(t.Context(), "", "get", "serviceaccount", "default", "-n", goldenNamespace)
		return err
	})
}

// podOf returns a pod of the Deployment. Its service account is the one that is there: a dry run makes none.
func podOf(t *testing.T, objects []*unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	d := only(t, objects, "Deployment")
	pod, _, err := unstructured.NestedMap(d.Object, "spec", "template")
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{Object: pod}
	o.SetAPIVersion("v1")
	o.SetKind("Pod")
	o.SetName(d.GetName())
	o.SetNamespace(d.GetNamespace())
	unstructured.RemoveNestedField(o.Object, "spec", "serviceAccountName")
	return o
}

// dryRun returns what the apiserver refuses or warns of.
func dryRun(t *testing.T, c *lab.Cluster, verb string, text []byte) error {
	t.Helper()
	cmd := c.KubectlCommand(t.Context(), verb, "--dry-run=server", "--validate=strict", "-f", "-")
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), &said
	err := cmd.Run()
	if said.Len() > 0 {
		return errors.Join(err, errors.New(said.String()))
	}
	return err
}
