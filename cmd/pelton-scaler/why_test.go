package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/cli"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/scalers"
)

const thumbManifest = `
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: thumb, namespace: shop}
spec:
  triggers: [{event: {subjects: [events.image]}}]
  handler: {image: example.com/thumb, port: 8080}
  concurrency: 2
`

// pelton runs a command line.
func pelton(t *testing.T, args ...string) (code int, text string) {
	t.Helper()
	var out bytes.Buffer
	code = cli.Run(t.Context(), cli.Config{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" },
	})
	return code, out.String()
}

// TestWhy goes the way of somebody on Kubernetes: a ScaledObject that asks in vain, the function provisioned before anything
// runs, and events that are due, each with what pelton why makes of it.
func TestWhy(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	p := start(t, "NATS_URL="+srv.URL())
	p.await("/readyz", http.StatusOK, "ok")
	c := p.dial(nil)
	thumb := &externalscaler.ScaledObjectRef{
		Namespace: "shop", Name: "thumbnails", ScalerMetadata: map[string]string{"function": "thumb"},
	}
	why := func(want ...string) {
		t.Helper()
		code, text := pelton(t, "why", "shop/thumb", "--scaler", "http://"+p.address("probes are answered"), "--nats", srv.URL())
		if code != cli.ExitOK {
			t.Errorf("exit %d", code)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("no %q in:\n%s", w, text)
			}
		}
	}
	why("FAIL  catalog", "FAIL  ScaledObject", "try: pelton provision", "shop/thumb: catalog: the function is not in stream")
	if _, err := c.keda.IsActive(t.Context(), thumb); status.Code(err) != codes.NotFound {
		t.Fatalf("a function that nobody has provisioned: %v", err)
	}
	why("ok    ScaledObject", "FAIL  errors", "IsActive", "there is no function thumb in namespace shop")

	manifest := filepath.Join(t.TempDir(), "function.yaml")
	if err := os.WriteFile(manifest, []byte(thumbManifest), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, text := pelton(t, "provision", manifest, "--nats", srv.URL()); code != cli.ExitOK {
		t.Fatalf("provision: exit %d, %s", code, text)
	}
	for range 3 {
		if _, err := srv.JetStream(t).Publish(t.Context(), "events.image", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	waittest.Eventually(t, func() error {
		res, err := c.keda.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{
			ScaledObjectRef: thumb, MetricName: scalers.MetricName,
		})
		if err == nil && res.MetricValues[0].MetricValueFloat != 3 {
			err = fmt.Errorf("%v, want 3", res.MetricValues)
		}
		return err
	})
	if res, err := c.keda.IsActive(t.Context(), thumb); err != nil || !res.Result {
		t.Fatalf("active: %v, %v", res, err)
	}
	why("ok    catalog", "ok    consumers", "ok    queue", "3 due, 0 in flight", "note  errors", "note  streams",
		"ok    activity", "ok    metrics", "3 due, 0 in flight, service time not measured, value 3 at 2 per replica",
		"shop/thumb: nothing is wrong: KEDA knows that 3 due")
	code, text := pelton(t, "why", "shop/thumb", "-o", "json", "--scaler", "http://"+p.address("probes are answered"))
	if code != cli.ExitOK || !strings.Contains(text, `"source": "function thumb"`) || strings.Contains(text, `"catalog"`) {
		t.Errorf("exit %d, %s", code, text)
	}
}
