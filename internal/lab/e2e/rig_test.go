package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// patience is how long anything may take on a loaded machine before a test gives up on it.
const patience = 4 * time.Minute

// app is one function in the cluster, in a namespace of its own, and what was seen of it.
type app struct {
	*world

	t         *testing.T
	name      string
	namespace string
	ctx       context.Context
	began     time.Time
	mu        sync.Mutex
	pods      map[string]*pod
	peak      int
	changed   chan struct{}
	ledger    string         // the folder where the workers write down what they do
	receipts  map[string]int // replies that are stored, per order
	published map[string]time.Time
}

// line is one line of the worker's ledger.
type line struct {
	ID      string    `json:"id"`
	What    string    `json:"what"`
	Replica string    `json:"replica"`
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
}

// settings fill the manifests of an app.
type settings struct {
	Name, Namespace, NATS, Scaler, Metadata, Ledger string
	Concurrency, MaxReplicas, Cooldown              int
	Bare                                            bool // without a ScaledObject
}

func fill(file string, with any) (string, error) {
	tmpl, err := template.New(file).Funcs(template.FuncMap{"base64": base64.StdEncoding.EncodeToString}).
		Option("missingkey=error").ParseFiles("testdata/" + file)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = tmpl.Execute(&out, with)
	return out.String(), err
}

// deploy applies an app's manifests and makes its consumers, as `pelton provision` does.
func deploy(t *testing.T, name string, change func(*settings)) *app {
	t.Helper()
	a := &app{
		world: theWorld(t), t: t, name: name, namespace: "e2e-" + name, ctx: t.Context(), began: time.Now(), pods: map[string]*pod{},
		changed: make(chan struct{}, 1), receipts: map[string]int{}, published: map[string]time.Time{}, ledger: t.TempDir(),
	}
	for _, dir := range []string{filepath.Dir(a.ledger), a.ledger} { // pods run as nobody
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	s := settings{
		Name: name, Namespace: a.namespace, NATS: a.broker.url(), Scaler: scalerHost + ":9090",
		Metadata: "function: " + name, Ledger: a.ledger, Concurrency: 2, MaxReplicas: 4, Cooldown: 10,
	}
	if change != nil {
		change(&s)
	}
	text, err := fill("function.yaml", s)
	if err != nil {
		t.Fatal(err)
	}
	a.kubectl("", "delete", "namespace", a.namespace, "--ignore-not-found", "--wait=true")
	a.kubectl("", "create", "namespace", a.namespace)
	t.Cleanup(a.remove)
	a.follow()
	a.provision(text)
	a.kubectl(text, "apply", "-f", "-")
	a.logf("applied")
	return a
}

// provision makes the consumers of the Function that the ConfigMap holds.
func (a *app) provision(text string) {
	a.t.Helper()
	_, rest, _ := strings.Cut(text, "function.yaml: |\n")
	manifest, _, _ := strings.Cut(rest, "---")
	fns, problems := function.Parse([]byte(manifest), "function.yaml")
	if len(problems) > 0 || len(fns) != 1 {
		a.t.Fatal(problems)
	}
	if _, err := stream.EnsureFunction(a.ctx, a.broker.js, fns[0]); err != nil {
		a.t.Fatal(err)
	}
	if err := catalog.Put(a.ctx, a.broker.js, fns[0]); err != nil {
		a.t.Fatal(err)
	}
}

// remove deletes the namespace and takes the function out of the catalog.
func (a *app) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if a.t.Failed() {
		a.explain(ctx)
	}
	key := function.Key{Namespace: a.namespace, Name: a.name}
	if err := catalog.Remove(ctx, a.broker.js, key); err != nil {
		a.t.Error(err)
	}
	if out, err := a.cluster.Kubectl(ctx, "", "delete", "namespace", a.namespace, "--wait=true"); err != nil {
		a.t.Errorf("%v: %s", err, out)
	}
}

// explain logs what a person would look at.
func (a *app) explain(ctx context.Context) {
	for _, args := range [][]string{
		{"get", "pods,deployment,scaledobject,hpa", "-o", "wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
		{"describe", "scaledobject", a.name},
		{"logs", "-l", "app=" + a.name, "--all-containers", "--tail=30", "--prefix"},
	} {
		out, err := a.cluster.Kubectl(ctx, "", append([]string{"-n", a.namespace}, args...)...)
		a.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	out, err := a.cluster.Kubectl(ctx, "", "-n", system, "logs", "deployment/pelton-scaler", "--all-pods", "--tail=30", "--prefix")
	a.t.Logf("scaler: %v\n%s", err, out)
}

func (a *app) kubectl(stdin string, args ...string) string {
	a.t.Helper()
	out, err := a.cluster.Kubectl(a.ctx, stdin, args...)
	if err != nil {
		a.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// logf adds a line to the timeline.
func (a *app) logf(format string, args ...any) {
	a.t.Helper()
	a.t.Logf("%8.2fs %s: %s", time.Since(a.began).Seconds(), a.name, fmt.Sprintf(format, args...))
}

// follow watches the pods.
func (a *app) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { a.api.watchPods(ctx, a.namespace, a.seePod) })
	a.t.Cleanup(func() {
		cancel()
		watching.Wait()
	})
}

func (a *app) seePod(change string, p *pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.pods[p.Metadata.Name]
	switch {
	case change == "DELETED":
		delete(a.pods, p.Metadata.Name)
		a.t.Logf("%8.2fs %s: pod %s gone", time.Since(a.began).Seconds(), a.name, p.Metadata.Name)
	default:
		a.pods[p.Metadata.Name] = p
		switch {
		case old == nil:
			a.t.Logf("%8.2fs %s: pod %s made", time.Since(a.began).Seconds(), a.name, p.Metadata.Name)
		case p.ready() && !old.ready():
			a.t.Logf("%8.2fs %s: pod %s ready", time.Since(a.began).Seconds(), a.name, p.Metadata.Name)
		}
	}
	a.peak = max(a.peak, len(a.pods))
	a.wake()
}

// wake has await look again.
func (a *app) wake() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// await waits until ok says "".
func (a *app) await(what string, ok func() string) {
	a.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		a.mu.Lock()
		missing := ok()
		a.mu.Unlock()
		if missing == "" {
			a.logf("seen: %s", what)
			return
		}
		select {
		case <-a.changed:
		case <-tick.C:
		case <-deadline:
			a.t.Fatalf("%s: not within %v: %s", what, patience, missing)
		}
	}
}

// awaitPods waits for exactly n pods, ready if there are any.
func (a *app) awaitPods(n int) {
	a.t.Helper()
	a.await(fmt.Sprintf("%d pods", n), func() string {
		if len(a.pods) != n {
			return fmt.Sprintf("%d pods", len(a.pods))
		}
		for _, p := range a.pods {
			if !p.ready() {
				return p.Metadata.Name + " is not ready"
			}
		}
		return ""
	})
}

// awaitScaledObject waits until KEDA has made the autoscaler, so that it listens.
func (a *app) awaitScaledObject() {
	a.t.Helper()
	path := "/apis/keda.sh/v1alpha1/namespaces/" + a.namespace + "/scaledobjects/" + a.name
	a.await("ScaledObject ready", func() string {
		var so struct {
			Status struct {
				Names      []string `json:"externalMetricNames"`
				Conditions []struct{ Type, Status, Message string }
			}
		}
		if err := a.api.get(a.ctx, path, &so); err != nil {
			return err.Error()
		}
		for _, c := range so.Status.Conditions {
			if c.Type == "Ready" && c.Status == "True" && len(so.Status.Names) == 1 {
				return ""
			}
		}
		return fmt.Sprint(so.Status)
	})
}

// order publishes one event, and returns its id.
func (a *app) order(id string, o map[string]any) string {
	a.t.Helper()
	if o == nil {
		o = map[string]any{}
	}
	o["id"] = id
	body, err := json.Marshal(o)
	if err != nil {
		a.t.Fatal(err)
	}
	for { // a publisher keeps what was not acknowledged
		_, err := a.broker.js.Publish(a.ctx, "events."+a.name, body, jetstream.WithMsgID(a.name+id))
		if err == nil {
			break
		}
		if a.ctx.Err() != nil {
			a.t.Fatal(err)
		}
		<-time.After(100 * time.Millisecond)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.published[id] = time.Now()
	return id
}

// collect reads every receipt that is stored.
func (a *app) collect() error {
	s, err := a.broker.js.Stream(a.ctx, stream.EventsStream)
	if err != nil {
		return err
	}
	consumer, err := s.OrderedConsumer(a.ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.done." + a.name}})
	if err != nil {
		return err
	}
	info, err := consumer.Info(a.ctx)
	if err != nil {
		return err
	}
	receipts := map[string]int{}
	for n := info.NumPending; n > 0; n-- {
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			return err
		}
		var r line
		if err := json.Unmarshal(m.Data(), &r); err != nil {
			return err
		}
		receipts[r.ID]++
	}
	a.receipts = receipts
	return nil
}

// lines reads what the workers have written down of an order, or of all for "".
func (a *app) lines(id string) []line {
	a.t.Helper()
	files, err := filepath.Glob(filepath.Join(a.ledger, "*"))
	if err != nil {
		a.t.Fatal(err)
	}
	var lines []line
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			a.t.Fatal(err)
		}
		for _, row := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
			var l line
			if err := json.Unmarshal(row, &l); err != nil {
				a.t.Fatalf("%s: %v", file, err)
			}
			if id == "" || l.ID == id {
				lines = append(lines, l)
			}
		}
	}
	slices.SortFunc(lines, func(x, y line) int { return x.At.Compare(y.At) })
	return lines
}

// begun is how long after its publish an order's handler was first called.
func (a *app) begun(id string) time.Duration {
	a.t.Helper()
	lines := a.lines(id)
	if len(lines) == 0 {
		a.t.Fatalf("no handler has been called for %s", id)
	}
	return lines[0].At.Sub(a.published[id])
}

// awaitReceipts waits until every order that was published has its receipt.
func (a *app) awaitReceipts() {
	a.t.Helper()
	a.await(fmt.Sprintf("%d receipts", len(a.published)), func() string {
		if err := a.collect(); err != nil {
			return err.Error()
		}
		if len(a.receipts) < len(a.published) {
			return fmt.Sprintf("%d of %d receipts", len(a.receipts), len(a.published))
		}
		return ""
	})
}

// checkOnce makes sure that every order was carried out by one call that nobody cut short, and has one receipt.
func (a *app) checkOnce() {
	a.t.Helper()
	calls := map[string][]string{}
	for _, l := range a.lines("") {
		calls[l.ID] = append(calls[l.ID], l.What)
	}
	for id := range a.published {
		if !slices.Equal(calls[id], []string{"begin", "end"}) || a.receipts[id] != 1 {
			a.t.Errorf("order %s: calls %v, %d receipts; want one call and one receipt: %+v", id, calls[id], a.receipts[id], a.lines(id))
		}
	}
}
