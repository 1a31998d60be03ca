package controller_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
)

// lateNews has a controller hear of Deployments later than of all else, as from an apiserver under load.
type lateNews struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l lateNews) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, "/deployments") && r.URL.Query().Get("watch") != "" {
		resp.Body = lateBody{resp.Body}
	}
	return resp, err
}

type lateBody struct{ io.ReadCloser }

// Read implements io.Reader.
func (b lateBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	<-time.After(700 * time.Millisecond)
	return n, err
}

// TestReadyOfWhatIsThere updates a function while the controller's cache is behind: it must not be called ready for what the cache
// knows of the manifest before.
func TestReadyOfWhatIsThere(t *testing.T) {
	r := start(t, "ctl-late", func(r *rig) { r.noJump = true })
	r.stop()
	r.cluster = rest.CopyConfig(r.cluster)
	r.cluster.Wrap(func(next http.RoundTripper) http.RoundTripper { return lateNews{next} })
	r.startController()
	manifest := strings.Replace(hello(r.namespace, "  onDelete: discard\n"), "minReplicas: 0", "minReplicas: 1", 1)
	r.kubectl(manifest, "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.WorkloadReady, "True", v1alpha1.ReasonAvailable)
	r.kubectl(strings.Replace(manifest, "concurrency: 16", "concurrency: 8", 1), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	numbers := r.kubectl("", "-n", r.namespace, "get", "deployment", "hello-pfn", "-o",
		"jsonpath={.metadata.generation} {.status.observedGeneration} {.status.replicas} {.status.updatedReplicas}")
	if n := strings.Fields(numbers); len(n) != 4 || n[0] != n[1] || n[2] != n[3] {
		t.Errorf("it is ready, and the Deployment's generation, observed, replicas, updated are %q", numbers)
	}
}
