package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/stream"
)

// scalerHost is the name by which KEDA, which runs on the host, reaches every replica of the scaler.
const scalerHost = "pelton-scaler.pelton-system"

// world is what all tests share.
type world struct {
	cluster *lab.Cluster
	api     *api
	broker  *broker
}

var shared *world

// TestMain makes the world once: the images, NATS and the scaler. Without PELTON_LAB every test is skipped.
func TestMain(m *testing.M) {
	if os.Getenv("PELTON_LAB") == "" {
		os.Exit(m.Run())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	w, err := makeWorld(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab e2e:", err)
		os.Exit(1)
	}
	shared = w
	code := m.Run()
	w.broker.close()
	os.Exit(code)
}

func makeWorld(ctx context.Context) (*world, error) {
	cluster, err := lab.Open("")
	if err != nil {
		return nil, fmt.Errorf("no lab is up (task lab:up): %w", err)
	}
	for name, pkg := range map[string]string{
		lab.SidecarImage: "cmd/pelton-sidecar", lab.ScalerImage: "cmd/pelton-scaler",
		"pelton.local/worker:dev": "internal/lab/e2e/worker",
	} {
		if _, err := cluster.LoadProgram(ctx, name, pkg); err != nil {
			return nil, err
		}
	}
	w := &world{cluster: cluster}
	if w.api, err = newAPI(cluster.Kubeconfig()); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pelton-lab-nats-")
	if err != nil {
		return nil, err
	}
	if w.broker, err = startBroker(cluster.BridgeAddress(), dir); err != nil {
		return nil, err
	}
	if _, err := stream.Ensure(ctx, w.broker.js, stream.Config{}); err != nil {
		return nil, err
	}
	if err := catalog.Ensure(ctx, w.broker.js, 1); err != nil {
		return nil, err
	}
	return w, w.startScaler(ctx)
}

// startScaler deploys the scaler anew, as NATS has a new address, and tells KEDA's host where its replicas are.
func (w *world) startScaler(ctx context.Context) error {
	text, err := fill("scaler.yaml", map[string]any{"NATS": w.broker.url()})
	if err != nil {
		return err
	}
	if out, err := w.cluster.Kubectl(ctx, text, "apply", "-f", "-"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	out, err := w.cluster.Kubectl(ctx, "", "-n", "pelton-system", "rollout", "status", "deployment/pelton-scaler", "--timeout=120s")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return w.findScaler(ctx)
}

// findScaler writes the addresses of the scaler's ready replicas where a headless Service would have them.
func (w *world) findScaler(ctx context.Context) error {
	var list struct {
		Items []pod `json:"items"`
	}
	if err := w.api.get(ctx, "/api/v1/namespaces/pelton-system/pods?labelSelector=app%3Dpelton-scaler", &list); err != nil {
		return err
	}
	var addresses []string
	for _, p := range list.Items {
		if p.ready() {
			addresses = append(addresses, p.Status.PodIP)
		}
	}
	if len(addresses) == 0 {
		return fmt.Errorf("no replica of the scaler is ready: %s", strings.TrimSpace(fmt.Sprint(list)))
	}
	return w.cluster.SetHost(ctx, scalerHost, addresses...)
}
