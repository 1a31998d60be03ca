package desired_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

var update = flag.Bool("update", false, "write the golden files again")

const desiredDir = "testdata"

// TestDesiredGolden compares the objects of functions with what was looked at once, and applied to a real apiserver.
func TestDesiredGolden(t *testing.T) {
	t.Parallel()
	for _, name := range goldenNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := desired.Objects(goldenFunction(t, name), goldenSettings(name))
			if err != nil {
				t.Fatal(err)
			}
			got, golden := asYAML(t, objects), goldenFile(name)
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s: run with -update if this is right (-want +got):\n%s", golden, diff)
			}
		})
	}
}

// TestGoldenFilesAreOfFunctions finds golden files that nobody compares any more.
func TestGoldenFilesAreOfFunctions(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(desiredDir, "*.golden.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no golden files: %v", err)
	}
	names := goldenNames(t)
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".golden.yaml"); !slices.Contains(names, name) {
			t.Errorf("%s has no %s.function.yaml", file, name)
		}
	}
}

func goldenNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(desiredDir, "*.function.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no functions: %v", err)
	}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".function.yaml"))
	}
	return names
}

func goldenFile(name string) string { return filepath.Join(desiredDir, name+".golden.yaml") }

func goldenFunction(t *testing.T, name string) *function.Function {
	t.Helper()
	file := filepath.Join(desiredDir, name+".function.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fns, problems := function.Parse(text, file)
	if len(problems) > 0 || len(fns) != 1 {
		t.Fatalf("%s: %d functions, %v", file, len(fns), problems)
	}
	return fns[0]
}

func goldenSettings(name string) desired.Settings {
	s := usualSettings()
	switch name {
	case "settings":
		return allSettings()
	case "own-credentials":
		s.OwnCredentials = desired.OwnCredentialsAndCA
	}
	return s
}

func usualSettings() desired.Settings {
	return desired.Settings{
		SidecarImage: "pelton.local/pelton-sidecar:dev", NATSURL: "nats://nats.pelton-system.svc:4222",
		ScalerAddress:         "pelton-scaler.pelton-system.svc:9090",
		TriggerAuthentication: desired.TriggerAuthentication{Name: "pelton-scaler", Kind: "ClusterTriggerAuthentication"},
	}
}

func allSettings() desired.Settings {
	return desired.Settings{
		SidecarImage: "example.com/pelton-sidecar:1.0.0", NATSURL: "tls://a.example.com, tls://b.example.com:4222,c.example.com:4333",
		ScalerAddress:         "pelton-scaler.pelton-system.svc:9090",
		TriggerAuthentication: desired.TriggerAuthentication{Name: "own"},
		NATSCredentials:       desired.NATSCredentials{Secret: "vault-nats", Creds: "user.creds", CA: "root.pem"},
		SidecarResources: &corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
		},
		ImagePullPolicy: corev1.PullAlways, ImagePullSecrets: []string{"registry", "mirror"},
		PollingInterval: 1500 * time.Millisecond, ClosedEgress: true, LogLevel: "debug",
	}
}

func asYAML(t *testing.T, objects []*unstructured.Unstructured) []byte {
	t.Helper()
	documents := make([][]byte, len(objects))
	for i, o := range objects {
		var err error
		if documents[i], err = yaml.Marshal(o.Object); err != nil {
			t.Fatal(err)
		}
	}
	return bytes.Join(documents, []byte("---\n"))
}
