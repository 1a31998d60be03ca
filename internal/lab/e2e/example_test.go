package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/stream"
)

// TestWorkedExample applies deploy/example/hello.yaml as deploy/docs/kubernetes.md says: the first pod makes the consumers, KEDA
// takes it away, and an event brings one back.
func TestWorkedExample(t *testing.T) {
	w := theWorld(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "example", "hello.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	manifest := strings.NewReplacer(
		"image: ", "image: pelton.local/", "nats://nats.pelton-system.svc:4222", w.broker.url(),
		"pelton-scaler.pelton-system.svc:9090", scalerHost+":9090", "{name: pelton-scaler, kind: Cluster", "{name: e2e-scaler, kind: Cluster",
		"pelton-example", "e2e-example", "cooldownPeriod: 30 ", "cooldownPeriod: 5 ",
	).Replace(string(text))
	a := &app{
		world: w, t: t, name: "hello", namespace: "e2e-example", ctx: t.Context(), began: time.Now(), pods: map[string]*pod{},
		changed: make(chan struct{}, 1), receipts: map[string]int{}, published: map[string]time.Time{},
	}
	a.kubectl("", "delete", "namespace", a.namespace, "--ignore-not-found", "--wait=true")
	t.Cleanup(a.remove)
	a.follow()
	a.kubectl(manifest, "apply", "-f", "-")
	a.logf("applied")
	a.await("a pod", func() string {
		if a.peak == 0 {
			return "none yet"
		}
		return ""
	})
	a.awaitScaledObject()
	a.awaitPods(0)
	published := time.Now()
	if _, err := a.broker.js.Publish(a.ctx, "events.hello", []byte(`{"name":"lab"}`)); err != nil {
		t.Fatal(err)
	}
	a.logf("greeted %v after the publish", a.greeting(published).Round(time.Millisecond))
	a.awaitPods(0)
}

// greeting waits for the reply and returns how long after the publish it was stored.
func (a *app) greeting(published time.Time) time.Duration {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.ctx, patience)
	defer cancel()
	s, err := a.broker.js.Stream(ctx, stream.EventsStream)
	if err != nil {
		a.t.Fatal(err)
	}
	replies, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.greetings"}})
	if err != nil {
		a.t.Fatal(err)
	}
	m, err := replies.Next(jetstream.FetchMaxWait(patience))
	if err != nil {
		a.t.Fatal(err)
	}
	if !strings.Contains(string(m.Data()), "hello, lab") {
		a.t.Errorf("the reply is %s", m.Data())
	}
	meta, err := m.Metadata()
	if err != nil {
		a.t.Fatal(err)
	}
	return meta.Timestamp.Sub(published)
}
