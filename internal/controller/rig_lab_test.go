package controller_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/controller"
	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/natsauth"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/rpcserver"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/wake"
	"github.com/pelton-dev/pelton/scalers"
)

// patience is how long anything may take on a loaded machine.
const patience = 3 * time.Minute

var (
	deployments   = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	scaledObjects = schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"}
)

// rig is a controller and a scaler in this process, which work with the lab's cluster and with a NATS of their own.
type rig struct {
	t         *testing.T
	namespace string
	cluster   *rest.Config
	client    client.Client
	lab       *lab.Cluster
	nats      *natstest.Server
	js        jetstream.JetStream
	settings  desired.Settings
	writes    *writes
	noJump    bool
	secure    *secured      // NATS asks who comes; nil: it does not
	fail      *failpoint    // kills the controller; nil: nothing does
	patience  time.Duration // of the controller with deletions; 0 is half a minute
	stop      func()        // ends the controller
}

// writes are the requests of the controller that change something.
type writes struct {
	mu   sync.Mutex
	next http.RoundTripper
	list []string
}

// RoundTrip implements http.RoundTripper.
func (w *writes) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if r.Method != http.MethodGet {
		w.mu.Lock()
		defer w.mu.Unlock()
		status := "failed"
		if err == nil {
			status = resp.Status
		}
		w.list = append(w.list, fmt.Sprintf("%s %s %s: %s", time.Now().Format("05.000"), r.Method, r.URL.RequestURI(), status))
	}
	return resp, err
}

func (w *writes) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.list...)
}

// start needs a lab (PELTON_LAB=1, task lab:up); without, the test is skipped.
func start(t *testing.T, namespace string, change ...func(*rig)) *rig {
	t.Helper()
	testenv.NeedLab(t)
	controller.UseLogger(zap.NewNop())
	l, err := lab.Open("")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, namespace: namespace, lab: l}
	for _, c := range change {
		c(r)
	}
	if r.cluster, err = clientcmd.BuildConfigFromFlags("", l.Kubeconfig()); err != nil {
		t.Fatal(err)
	}
	if r.client, err = client.New(r.cluster, client.Options{}); err != nil {
		t.Fatal(err)
	}
	if r.nats == nil {
		r.nats = natstest.StartAs(t, r.as(natsauth.Everything()), natstest.Listen(), r.configure,
			func(o *server.Options) { o.Host = l.BridgeAddress() })
	}
	if r.js, err = jetstream.New(r.nats.Conn(t, r.as(natsauth.Everything())...), jetstream.WithDefaultTimeout(30*time.Second)); err != nil {
		t.Fatal(err)
	}
	r.settings = desired.Settings{
		SidecarImage: lab.SidecarImage, NATSURL: r.nats.URL(), ScalerAddress: r.startScaler(), PollingInterval: 5 * time.Second,
	}
	r.kubectl("", "apply", "--server-side", "--force-conflicts", "-f", "../../deploy/crd/functions.pelton.dev.yaml")
	r.kubectl("", "wait", "--for=condition=Established", "crd/functions.pelton.dev")
	r.kubectl("", "delete", "namespace", namespace, "--ignore-not-found", "--wait=true")
	r.kubectl(`{apiVersion: v1, kind: Namespace, metadata: {name: `+namespace+
		`, labels: {pod-security.kubernetes.io/enforce: restricted}}}`, "apply", "-f", "-")
	r.startController()
	t.Cleanup(r.close)
	return r
}

// close deletes the Functions while there is still a controller for their finalizers. Nobody waits for the end of the namespace:
// its name belongs to this test alone, which waits when it begins.
func (r *rig) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r.t.Failed() {
		for _, args := range [][]string{
			{"get", "pfn,deployment,pods,scaledobject,hpa", "-o", "wide"},
			{"get", "pfn", "-o", "yaml"},
			{"get", "events", "--sort-by=.lastTimestamp"},
			{"logs", "-l", desired.FunctionLabel, "--all-containers", "--tail=20", "--prefix"},
		} {
			out, err := r.lab.Kubectl(ctx, "", append([]string{"-n", r.namespace}, args...)...)
			r.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	for _, args := range [][]string{
		{"-n", r.namespace, "delete", "pfn", "--all", "--wait=true", "--timeout=2m"},
		{"delete", "namespace", r.namespace, "--ignore-not-found", "--wait=false"},
	} {
		if out, err := r.lab.Kubectl(ctx, "", args...); err != nil {
			r.t.Errorf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	r.stop()
}

func (r *rig) kubectl(stdin string, args ...string) string {
	r.t.Helper()
	out, err := r.lab.Kubectl(r.t.Context(), stdin, args...)
	if err != nil {
		r.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// startScaler serves KEDA, which runs on the host and reaches every address of it. It outlives the controller.
func (r *rig) startScaler() (address string) {
	r.t.Helper()
	nc := r.nats.Conn(r.t, r.as(natsauth.OfScaler())...)
	if err := catalog.Ensure(r.t.Context(), r.js, 1); err != nil {
		r.t.Fatal(err)
	}
	watcher, err := wake.New(nc, wake.Config{AllWork: true})
	if err != nil {
		r.t.Fatal(err)
	}
	known, err := catalog.New(nc, catalog.Config{})
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := scalers.New(scalers.Config{Watcher: watcher, Catalog: known, Logger: zaptest.NewLogger(r.t, zaptest.Level(zap.InfoLevel)).Named("scaler")})
	if err != nil {
		r.t.Fatal(err)
	}
	rpc, err := rpcserver.Listen(rpcserver.Config{Address: r.lab.BridgeAddress() + ":0"})
	if err != nil {
		r.t.Fatal(err)
	}
	s.Register(rpc.Server)
	r.t.Cleanup(r.background(watcher.Run, known.Run, s.Run, func(ctx context.Context) error { return rpc.Run(ctx, s.Ready) }))
	return rpc.Address()
}

// background runs parts, and returns what ends them.
func (r *rig) background(runs ...func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range runs {
		running.Go(func() {
			if err := run(ctx); err != nil {
				r.t.Error(err)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

func (r *rig) startController() {
	r.t.Helper()
	cluster := rest.CopyConfig(r.cluster)
	if r.writes == nil {
		r.writes = &writes{}
	}
	cluster.Wrap(func(next http.RoundTripper) http.RoundTripper {
		r.writes.next = next
		return r.writes
	})
	options := append(r.as(natsauth.OfController()), nats.MaxReconnects(-1))
	if r.fail != nil {
		cluster.Wrap(func(next http.RoundTripper) http.RoundTripper {
			r.fail.next = next
			return r.fail
		})
		options = append(options, nats.SetCustomDialer(r.fail))
	}
	nc, err := nats.Connect(r.nats.URL(), options...)
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := controller.New(cluster, controller.Config{
		Settings: r.settings, NATS: nc, Issuer: r.issuer(), Namespaces: []string{r.namespace}, NoFirstJump: r.noJump,
		Patience: cmp.Or(r.patience, 30*time.Second),
		Logger:   zaptest.NewLogger(r.t, zaptest.Level(zap.InfoLevel)).Named("controller"),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	stop := r.background(c.Run)
	r.stop = func() {
		stop()
		nc.Close()
	}
	await(r.t, "a controller that is ready", c.Ready)
}

// await polls until ok returns nil.
func await(t *testing.T, what string, ok func() error) {
	t.Helper()
	began, tick := time.Now(), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		err := ok()
		if err == nil {
			t.Logf("%8.2fs: %s", time.Since(began).Seconds(), what)
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
	}
}

// get reads an object of the rig's namespace.
func (r *rig) get(kind schema.GroupVersionKind, name string) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind)
	return o, r.client.Get(r.t.Context(), client.ObjectKey{Namespace: r.namespace, Name: name}, o)
}

// awaitCondition waits until a condition of a Function of the present generation has that status and reason.
func (r *rig) awaitCondition(name, kind, status, reason string) (message string) {
	r.t.Helper()
	await(r.t, fmt.Sprintf("%s is %s=%s, %s", name, kind, status, reason), func() error {
		o, err := r.get(v1alpha1.FunctionKind, name)
		if err != nil {
			return err
		}
		list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, item := range list {
			c, _ := item.(map[string]any)
			if c["type"] == kind && c["status"] == status && c["reason"] == reason && c["observedGeneration"] == o.GetGeneration() {
				message, _ = c["message"].(string)
				return nil
			}
		}
		return fmt.Errorf("generation %d, conditions %v", o.GetGeneration(), list)
	})
	return message
}

func (r *rig) replicas(name string) int64 {
	r.t.Helper()
	o, err := r.get(deployments, name+"-pfn")
	if err != nil {
		r.t.Fatal(err)
	}
	n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	return n
}
