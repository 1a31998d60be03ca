package desired_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/stream"
)

// TestSecret has what a pod mounts, of the sidecar alone, and has it under the names that are mounted.
func TestSecret(t *testing.T) {
	t.Parallel()
	fn, s := goldenFunction(t, "own-credentials"), goldenSettings("own-credentials")
	secret, err := desired.Secret(fn, []byte("creds"), []byte("pem"), time.Unix(1.7e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	data, _, _ := unstructured.NestedStringMap(secret.Object, "data")
	want := map[string]string{
		"nats.creds": base64.StdEncoding.EncodeToString([]byte("creds")), "ca.crt": base64.StdEncoding.EncodeToString([]byte("pem")),
	}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Error(diff)
	}
	if got := secret.GetAnnotations()[desired.ExpiresAnnotation]; got != "2023-11-14T22:13:20Z" {
		t.Errorf("they expire %q", got)
	}
	pod := deploymentOf(t, objectsOf(t, fn, s)).Spec.Template.Spec
	volume := ""
	for _, v := range pod.Volumes {
		if v.Secret != nil && v.Secret.SecretName == secret.GetName() {
			volume = v.Name
		}
	}
	for _, c := range pod.Containers {
		mounted := false
		for _, m := range c.VolumeMounts {
			mounted = mounted || m.Name == volume
		}
		if mounted != (c.Name == "sidecar") {
			t.Errorf("container %s mounts the secret: %v", c.Name, mounted)
		}
	}
}

// TestOneSecretAlone refuses settings that name a secret of all functions beside those of each.
func TestOneSecretAlone(t *testing.T) {
	t.Parallel()
	s := allSettings()
	s.OwnCredentials = desired.OwnCredentialsAlone
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "NATSCredentials") {
		t.Errorf("%v", err)
	}
}

// TestReadManifest reads of each function's ConfigMap what its pods may do on NATS.
func TestReadManifest(t *testing.T) {
	t.Parallel()
	for _, name := range goldenNames(t) {
		fn := goldenFunction(t, name)
		objects, err := desired.Objects(fn, goldenSettings(name))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GroupVersionKind() == desired.ConfigMapKind })
		got, err := desired.ReadManifest(objects[i])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(stream.ConsumersOf(fn), stream.ConsumersOf(got)); diff != "" || got.Key() != fn.Key() {
			t.Errorf("%s: consumers (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(fn.Spec.Reply, got.Spec.Reply); diff != "" {
			t.Errorf("%s: reply (-want +got):\n%s", name, diff)
		}
	}
	for what, data := range map[string]map[string]any{"nothing": nil, "nonsense": {"function.yaml": "{a: ["}, "another": {"function.yaml": "a: 1"}} {
		o := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "x"}, "data": data}}
		if _, err := desired.ReadManifest(o); err == nil || !strings.Contains(err.Error(), "read ConfigMap x") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
