package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/certs/certstest"
	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/testenv"
)

// The scaler runs in a namespace of its own, so that one of yours in pelton-system is left alone. Its host is the name by
// which KEDA, which runs on the host, reaches every replica.
const (
	system     = "e2e-system"
	scalerHost = "pelton-scaler." + system
	workerImg  = "pelton.local/worker:dev"
)

// world is what all tests share.
type world struct {
	cluster *lab.Cluster
	api     *api
	broker  *broker
}

// shared is made by the first test that needs it.
var shared struct {
	sync.Mutex
	world *world
	err   error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if w := shared.world; w != nil {
		w.broker.close()
	}
	os.Exit(code)
}

// theWorld returns the images, NATS and the scaler. Without PELTON_LAB the test is skipped.
func theWorld(t *testing.T) *world {
	t.Helper()
	testenv.NeedLab(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.world == nil && shared.err == nil {
		shared.world, shared.err = makeWorld(t)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.world
}

func makeWorld(t *testing.T) (*world, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cluster, err := lab.Open("")
	if err != nil {
		return nil, fmt.Errorf("no lab is up (task lab:up): %w", err)
	}
	for name, pkg := range map[string]string{
		lab.SidecarImage: "cmd/pelton-sidecar", lab.ScalerImage: "cmd/pelton-scaler", workerImg: "internal/lab/e2e/worker",
		lab.HelloImage: "functions/examples/hello",
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
	return w, w.startScaler(ctx, t)
}

// startScaler deploys the scaler of deploy/ anew, as NATS has a new address and the certificates are new, and tells KEDA's
// host where its replicas are.
func (w *world) startScaler(ctx context.Context, t *testing.T) error {
	if out, err := w.cluster.Kubectl(ctx, "", "delete", "namespace", system, "--ignore-not-found", "--wait=true"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	text, err := w.scalerManifests(t)
	if err != nil {
		return err
	}
	if out, err := w.cluster.Kubectl(ctx, text, "apply", "-f", "-"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return w.awaitScaler(ctx)
}

// scalerManifests are those of deploy/scaler, but for the namespace, the image and the time between two replicas of a
// rollout, and what deploy/scaler/settings.yaml leaves to the user.
func (w *world) scalerManifests(t *testing.T) (string, error) {
	var all strings.Builder
	for _, file := range []string{"namespace.yaml", "scaler.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "scaler", file))
		if err != nil {
			return "", err
		}
		all.Write(text)
		all.WriteString("---\n")
	}
	text := strings.NewReplacer("pelton-system", system, "image: pelton-scaler:dev", "image: "+lab.ScalerImage,
		"minReadySeconds: 35", "minReadySeconds: 0").Replace(all.String())
	ca := certstest.NewCA(t)
	expires := time.Now().Add(24 * time.Hour)
	serverCert, serverKey := ca.Sign(scalerHost, expires)
	clientCert, clientKey := ca.Sign("keda", expires)
	settings, err := fill("scaler.yaml", map[string]any{
		"Namespace": system, "NATS": w.broker.url(), "CA": ca.PEM, "ServerCert": serverCert, "ServerKey": serverKey,
		"ClientCert": clientCert, "ClientKey": clientKey,
	})
	return text + settings, err
}

// awaitScaler waits until every replica is ready, and writes their addresses where a headless Service would have them.
func (w *world) awaitScaler(ctx context.Context) error {
	out, err := w.cluster.Kubectl(ctx, "", "-n", system, "rollout", "status", "deployment/pelton-scaler", "--timeout=120s")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	var list struct {
		Items []pod `json:"items"`
	}
	if err := w.api.get(ctx, "/api/v1/namespaces/"+system+"/pods", &list); err != nil {
		return err
	}
	var addresses []string
	for _, p := range list.Items {
		if p.ready() {
			addresses = append(addresses, p.Status.PodIP)
		}
	}
	if len(addresses) != 2 {
		return fmt.Errorf("%d replicas of the scaler are ready, want 2", len(addresses))
	}
	return w.cluster.SetHost(ctx, scalerHost, addresses...)
}
