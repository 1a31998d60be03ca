package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/lab"
)

// nextTag are the same programs under another name: to Kubernetes another version.
const nextTag = "next"

// TestRollingUpgrade upgrades the controller, the scaler and all sidecars to another version and back while events come: steadily for
// one function, and for another so seldom that each starts a pod. Every event is answered.
func TestRollingUpgrade(t *testing.T) {
	if os.Getenv("PELTON_LAB_LONG") == "" {
		t.Skip("takes four minutes: set PELTON_LAB_LONG=1")
	}
	r := startRig(t)
	r.prepare()
	for _, name := range []string{"pelton-scaler", "pelton-sidecar", "pelton-controller"} {
		if _, err := r.lab.LoadProgram(t.Context(), "pelton.local/"+name+":"+nextTag, "cmd/"+name); err != nil {
			t.Fatal(err)
		}
	}
	js := r.install("--set", "namespaces={"+ordersHere+"}")
	for _, name := range []string{"steady", "seldom"} {
		r.kubectl(greeter(ordersHere, name), "apply", "-f", "-")
	}
	r.kubectl("", "-n", ordersHere, "wait", "pfn", "--all", "--for=condition=Ready", "--timeout=5m")
	stopNaming := r.nameScaler()
	defer stopNaming()
	steady, seldom := r.startProber(js, "steady", 200*time.Millisecond), r.startProber(js, "seldom", 20*time.Second)
	for _, tag := range []string{nextTag, "dev"} {
		began := time.Now()
		r.helm("upgrade", release, "chart/pelton", "--reuse-values", "--set", "image.tag="+tag)
		for _, name := range []string{"controller", "scaler"} {
			r.kubectl("", "-n", system, "rollout", "status", "deployment/"+fullname+"-"+name, "--timeout=5m")
		}
		r.await("sidecars are of "+tag, func() error { return r.sidecarsAre(tag) })
		for _, p := range []*prober{steady, seldom} {
			r.await("an event from now on is answered by "+p.name, p.answersNow())
		}
		t.Logf("to %s within %v", tag, time.Since(began).Round(time.Second))
	}
	for _, p := range []*prober{steady, seldom} {
		p.stop()
		r.await("everything is answered by "+p.name, p.missing)
		t.Logf("%s: %d events, none lost", p.name, len(p.all()))
	}
}

func greeter(namespace, name string) string {
	return `
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: ` + name + `, namespace: ` + namespace + `}
spec:
  triggers:
    - event: {subjects: [events.` + name + `]}
  handler: {protocol: stream, image: "` + lab.HelloImage + `"}
  concurrency: 4
  timeout: 10s
  reply: {subject: events.answers.` + name + `}
  scale: {minReplicas: 0, maxReplicas: 2, cooldown: 5s}
`
}

// sidecarsAre returns nil once every function's pods are of a version, and no others are left.
func (r *rig) sidecarsAre(tag string) error {
	images := r.kubectl("", "-n", ordersHere, "get", "deployments", "-o", `jsonpath={.items[*].spec.template.spec.containers[?(@.name=="sidecar")].image}`)
	for image := range strings.FieldsSeq(images) {
		if !strings.HasSuffix(image, ":"+tag) {
			return fmt.Errorf("images are %s", images)
		}
	}
	running := r.kubectl("", "-n", ordersHere, "get", "pods", "-o", `jsonpath={.items[*].spec.containers[?(@.name=="sidecar")].image}`)
	for image := range strings.FieldsSeq(running) {
		if !strings.HasSuffix(image, ":"+tag) {
			return fmt.Errorf("there are pods with %s", running)
		}
	}
	return nil
}

// nameScaler keeps the name of the scaler on its ready replicas, as the DNS of a cluster would.
func (r *rig) nameScaler() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var naming sync.WaitGroup
	naming.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		var known []string
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			out, err := r.lab.Kubectl(ctx, "", "-n", system, "get", "endpointslices", "-l", "kubernetes.io/service-name="+fullname+"-scaler",
				"-o", "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].addresses[0]}")
			now := strings.Fields(string(out))
			slices.Sort(now)
			if err != nil || len(now) == 0 || slices.Equal(now, known) {
				continue
			}
			if err := r.lab.SetHost(ctx, fullname+"-scaler."+system+".svc", now...); err != nil && ctx.Err() == nil {
				r.t.Errorf("name scaler: %v", err)
			}
			known = now
		}
	})
	return func() {
		cancel()
		naming.Wait()
	}
}

// prober publishes for one function until it is stopped.
type prober struct {
	name string
	rig  *rig
	js   jetstream.JetStream
	stop func()

	mu        sync.Mutex // guards what follows
	published []string
}

func (r *rig) startProber(js jetstream.JetStream, name string, every time.Duration) *prober {
	p := &prober{name: name, rig: r, js: js}
	end := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := 0; ; i++ {
			id := fmt.Sprintf("%s-%d", name, i)
			if _, err := js.Publish(r.t.Context(), "events."+name, fmt.Appendf(nil, `{"name":%q}`, id)); err != nil {
				r.t.Errorf("publish %s: %v", id, err)
				return
			}
			p.mu.Lock()
			p.published = append(p.published, id)
			p.mu.Unlock()
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	})
	p.stop = func() {
		close(end)
		publishing.Wait()
	}
	return p
}

func (p *prober) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.published)
}

// answered are the events that have been answered.
func (p *prober) answered() map[string]bool {
	p.rig.t.Helper()
	ids := map[string]bool{}
	for _, data := range messages(p.rig.t, p.js, "events.answers."+p.name) {
		var answer struct{ Greeting string }
		if err := json.Unmarshal([]byte(data), &answer); err != nil {
			p.rig.t.Fatal(err)
		}
		ids[strings.TrimPrefix(answer.Greeting, "hello, ")] = true
	}
	return ids
}

// missing returns nil if every event that was published has been answered.
func (p *prober) missing() error {
	answered := p.answered()
	left := slices.DeleteFunc(p.all(), func(id string) bool { return answered[id] })
	if len(left) > 0 {
		return fmt.Errorf("%d are not: %v", len(left), left[:min(10, len(left))])
	}
	return nil
}

// answersNow returns a condition that holds once an event that is published after this call is answered.
func (p *prober) answersNow() func() error {
	before := len(p.all())
	return func() error {
		answered := p.answered()
		if !slices.ContainsFunc(p.all()[before:], func(id string) bool { return answered[id] }) {
			return fmt.Errorf("%d answers", len(answered))
		}
		return nil
	}
}
