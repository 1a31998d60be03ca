package desired_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/desired"
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
