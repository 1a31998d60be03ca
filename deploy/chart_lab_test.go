package deploy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/stream"
)

// orderNumbers are how many good orders are published; one in five more is bad.
const orderNumbers = 25

// TestChart goes the way of docs/install.md: install with NATS for a trial, apply the order pipeline, publish, see it go from zero
// to N and back, compare with one machine, uninstall, and nothing is left.
func TestChart(t *testing.T) {
	r := startRig(t)
	r.prepare()
	r.checkRefusal()
	js := r.install("--set", "namespaces={"+ordersHere+"}")
	text, err := os.ReadFile("example/orders.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manifest := strings.NewReplacer("image: ", "image: pelton.local/", "pelton-orders", ordersHere).Replace(string(text))
	r.kubectl(manifest, "apply", "-f", "-")
	r.kubectl("", "-n", ordersHere, "wait", "pfn", "--all", "--for=condition=Ready", "--timeout=5m")
	r.awaitZero()
	peak := r.watchPods()
	publishOrders(t, js)
	r.await("all orders are through", func() error { return throughIn(t, js) })
	inCluster := resultsOf(t, js)
	r.awaitZero()
	if n := peak(); n < 3 {
		t.Errorf("at most %d pods ran, want one of each function at least", n)
	}
	if diff := gocmp.Diff(r.onOneMachine(), inCluster); diff != "" {
		t.Errorf("a cluster comes to other results than one machine:\n%s", diff)
	}
	r.checkWhy()
	r.checkRights()
	r.uninstall(js)
}

// checkRefusal: what would fail halfway is refused before anything is made.
func (r *rig) checkRefusal() {
	r.t.Helper()
	_, err := r.try(r.t.Context(), filepath.Join(r.bin, "helm"), "install", release, "chart/pelton", "-n", system,
		"--dry-run=server", "--set", "nats.url=nats://nats:4222,crd.install=false,keda.namespace=nowhere")
	if err == nil || !strings.Contains(err.Error(), `there is no namespace "nowhere"`) {
		r.t.Errorf("a wrong namespace of KEDA: %v", err)
	}
}

// install installs the release with some values. There is no DNS in the lab, so that NATS gets its address by an upgrade, which keeps the certificates.
func (r *rig) install(values ...string) jetstream.JetStream {
	r.t.Helper()
	common := append([]string{
		release, "chart/pelton", "--set", "crd.install=false",
		"--set", "image.registry=pelton.local,image.tag=dev,image.pullPolicy=Never",
		"--set", "nats.trial.enabled=true,nats.trial.image=" + natsImage,
		// There is no kube-proxy either: the apiserver is reached where it listens.
		"--set-json", `controller.extraEnv=[{"name":"KUBERNETES_SERVICE_HOST","value":"` + r.lab.BridgeAddress() +
			`"},{"name":"KUBERNETES_SERVICE_PORT","value":"` + r.apiServerPort() + `"}]`,
	}, values...)
	r.t.Log(r.helm(append([]string{"install"}, common...)...))
	before := r.certificates()
	var address string
	r.await("NATS is ready", func() error {
		ready, _ := r.podAddresses(system, "app.kubernetes.io/name=nats")
		if len(ready) != 1 {
			return fmt.Errorf("%d pods of it are ready", len(ready))
		}
		address = "nats://" + ready[0] + ":4222"
		return nil
	})
	r.helm(append([]string{"upgrade"}, append(common, "--set", "nats.url="+address)...)...)
	if diff := gocmp.Diff(before, r.certificates()); diff != "" {
		r.t.Errorf("an upgrade makes other certificates:\n%s", diff)
	}
	const scaler = fullname + "-scaler"
	r.kubectl("", "-n", system, "rollout", "status", "deployment/"+fullname+"-controller", "--timeout=5m")
	r.kubectl("", "-n", system, "rollout", "status", "deployment/"+scaler, "--timeout=5m")
	ready, _ := r.podAddresses(system, "app.kubernetes.io/name=pelton-scaler")
	if len(ready) != 2 {
		r.t.Fatalf("%d replicas of the scaler are ready, want 2", len(ready))
	}
	if err := r.lab.SetHost(r.t.Context(), scaler+"."+system+".svc", ready...); err != nil {
		r.t.Fatal(err)
	}
	return r.connect(address)
}

// certificates are what both secrets hold.
func (r *rig) certificates() (data []string) {
	r.t.Helper()
	for namespace, name := range map[string]string{system: fullname + "-scaler-tls", "keda": fullname + "-scaler-client"} {
		data = append(data, r.kubectl("", "-n", namespace, "get", "secret", name, "-o", "jsonpath={.data}"))
	}
	slices.Sort(data)
	return data
}

// awaitZero waits until no pod of a function is there, and KEDA would start one for work.
func (r *rig) awaitZero() {
	r.t.Helper()
	r.await("no pods", func() error {
		ready, others := r.podAddresses(ordersHere, "pelton.dev/function")
		if len(ready)+others > 0 {
			return fmt.Errorf("%d pods are ready, %d are not", len(ready), others)
		}
		return nil
	})
}

// watchPods counts pods until it is asked how many there were at most.
func (r *rig) watchPods() (peak func() int) {
	stop, most := make(chan struct{}), make(chan int)
	go func() {
		tick, n := time.NewTicker(500*time.Millisecond), 0
		defer tick.Stop()
		for {
			out, _ := r.lab.Kubectl(r.t.Context(), "", "-n", ordersHere, "get", "pods", "-o", "name")
			n = max(n, len(strings.Fields(string(out))))
			select {
			case <-tick.C:
			case <-stop:
				most <- n
				return
			}
		}
	}()
	return func() int {
		close(stop)
		return <-most
	}
}

// publishOrders publishes good orders and some bad ones.
func publishOrders(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	for i := range orderNumbers {
		data := []string{fmt.Sprintf(`{"id":"o-%d","amount":%d}`, i, i+1)}
		if i%5 == 0 {
			data = append(data, fmt.Sprintf(`{"id":"bad-%d","amount":-1}`, i))
		}
		for _, d := range data {
			if _, err := js.Publish(t.Context(), "events.orders.created", []byte(d)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// outcome is what became of one order: the reply of a step, or the dead letter.
type outcome struct {
	Where string // a subject, or function and reason of a dead letter
	Data  string
	Error string
}

// resultsOf are all replies and dead letters.
func resultsOf(t *testing.T, js jetstream.JetStream) (all []outcome) {
	t.Helper()
	for _, subject := range []string{"events.orders.validated", "events.orders.charged", "events.orders.notified"} {
		for _, data := range messages(t, js, subject) {
			all = append(all, outcome{Where: subject, Data: data})
		}
	}
	letters, err := deadletter.List(t.Context(), js, deadletter.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range letters {
		all = append(all, outcome{
			Where: fmt.Sprintf("dead letter of %s: %s after %d", l.Function, l.Reason, l.Attempts), Data: string(l.Data), Error: l.Error,
		})
	}
	slices.SortFunc(all, func(a, b outcome) int { return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.Data, b.Data)) })
	return all
}

// messages are the data of all that is stored on a subject, with the fields of JSON in order.
func messages(t *testing.T, js jetstream.JetStream, subject string) (all []string) {
	t.Helper()
	s, err := js.Stream(t.Context(), stream.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := s.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}})
	if err != nil {
		t.Fatal(err)
	}
	info, err := consumer.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range info.NumPending {
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(m.Data(), &fields); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

// throughIn returns nil once every good order is notified, and every bad one a dead letter.
func throughIn(t *testing.T, js jetstream.JetStream) error {
	t.Helper()
	var notified, dead int
	for _, o := range resultsOf(t, js) {
		switch {
		case o.Where == "events.orders.notified":
			notified++
		case strings.HasPrefix(o.Where, "dead letter"):
			dead++
		}
	}
	if notified < orderNumbers || dead < orderNumbers/5 {
		return fmt.Errorf("%d of %d orders notified, %d of %d dead", notified, orderNumbers, dead, orderNumbers/5)
	}
	return nil
}

// onOneMachine sends the same orders through `pelton up`.
func (r *rig) onOneMachine() []outcome {
	r.t.Helper()
	state, examples := r.t.TempDir(), r.t.TempDir()
	if err := os.CopyFS(examples, os.DirFS("../functions/examples/orders")); err != nil { // as notify writes a file
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), filepath.Join(r.bin, "pelton"), "up", "-o", "json", "--port", "0", "--nats-port", "0",
		"--state-dir", state, examples)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	var up struct{ NATSURL string }
	r.await("pelton up", func() error {
		text, err := os.ReadFile(filepath.Join(state, "up.json"))
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &up)
	})
	js := r.connect(up.NATSURL)
	publishOrders(r.t, js)
	r.await("all orders are through on one machine", func() error { return throughIn(r.t, js) })
	return resultsOf(r.t, js)
}
