package controller_test

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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Images of these tests alone: others use those of the lab at the same time.
const (
	sleeperImage        = "pelton.local/ctl-sleeper:test"
	scalingSidecarImage = "pelton.local/ctl-sidecar:test"
)

// startScaling is start with a sidecar as it is in the tree now, and the image of a handler that takes its time.
func startScaling(t *testing.T, namespace string, change ...func(*rig)) *rig {
	t.Helper()
	r := start(t, namespace, change...)
	for name, pkg := range map[string]string{
		sleeperImage: "internal/controller/testdata/sleeper", scalingSidecarImage: "cmd/pelton-sidecar",
	} {
		if _, err := r.lab.LoadProgram(t.Context(), name, pkg); err != nil {
			t.Fatal(err)
		}
	}
	r.settings.SidecarImage = scalingSidecarImage
	r.restartController()
	return r
}

func (r *rig) restartController() {
	r.t.Helper()
	r.stop()
	r.startController()
}

func sleeper(namespace, scale string) string {
	return `
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: sleeper, namespace: ` + namespace + `}
spec:
  triggers:
    - event: {subjects: [events.sleep]}
  handler: {protocol: stream, image: "` + sleeperImage + `"}
  concurrency: 1
  timeout: 2m
  reply: {subject: events.slept}
  onDelete: discard
  scale: ` + scale + "\n"
}

func (r *rig) sleepFor(d time.Duration, times int) {
	r.t.Helper()
	for range times {
		if _, err := r.js.Publish(r.t.Context(), "events.sleep", fmt.Appendf(nil, `{"millis":%d}`, d.Milliseconds())); err != nil {
			r.t.Fatal(err)
		}
	}
}

// slept is what one event came to.
type slept struct {
	Replica string `json:"replica"`
	Attempt int    `json:"attempt"`
	Millis  int    `json:"millis"`
}

// awaitSlept waits for so many replies since the test began.
func (r *rig) awaitSlept(n int) (all []slept) {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream.EventsStream)
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := s.OrderedConsumer(r.t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.slept"}})
	if err != nil {
		r.t.Fatal(err)
	}
	messages, err := c.Messages()
	if err != nil {
		r.t.Fatal(err)
	}
	defer messages.Stop()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	defer context.AfterFunc(ctx, messages.Stop)()
	for len(all) < n {
		m, err := messages.Next()
		if err != nil {
			r.t.Fatalf("%d of %d replies: %v", len(all), n, err)
		}
		var reply slept
		if err := json.Unmarshal(m.Data(), &reply); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, reply)
	}
	return all
}

// step is a number of replicas that somebody has written.
type step struct {
	at       time.Time
	replicas int64
	by       string
}

// timeline is what the replicas of a Deployment were, from when it was made.
type timeline struct {
	mu    sync.Mutex
	steps []step
}

// watchReplicas follows a Deployment until the test is over.
func (r *rig) watchReplicas(name string) *timeline {
	r.t.Helper()
	c, err := client.NewWithWatch(r.cluster, client.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(deployments)
	w, err := c.Watch(r.t.Context(), list, client.InNamespace(r.namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", name+"-pfn")})
	if err != nil {
		r.t.Fatal(err)
	}
	l, done := &timeline{}, make(chan struct{})
	go func() {
		defer close(done)
		for e := range w.ResultChan() {
			if o, ok := e.Object.(*unstructured.Unstructured); ok {
				l.add(o)
			}
		}
	}()
	r.t.Cleanup(func() {
		w.Stop()
		<-done
	})
	return l
}

func (l *timeline) add(o *unstructured.Unstructured) {
	n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.steps) == 0 || l.steps[len(l.steps)-1].replicas != n {
		l.steps = append(l.steps, step{time.Now(), n, lastScaler(o)})
	}
}

// lastScaler is who wrote the number of replicas last.
func lastScaler(o *unstructured.Unstructured) (name string) {
	for _, m := range o.GetManagedFields() {
		if m.FieldsV1 != nil && strings.Contains(string(m.FieldsV1.GetRawBytes()), `"f:replicas":{}`) && m.Subresource == "scale" {
			name = m.Manager
		}
	}
	return name
}

// since returns the steps after a moment, and the number at that moment before them.
func (l *timeline) since(from time.Time) (steps []step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.steps {
		if s.at.After(from) || i+1 == len(l.steps) || l.steps[i+1].at.After(from) {
			steps = append(steps, s)
		}
	}
	return steps
}

// tell writes steps as a line.
func tell(from time.Time, steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "  %+.2fs: %d (%s)", s.at.Sub(from).Seconds(), s.replicas, s.by)
	}
	return b.String()
}

func numbers(steps []step) (list []int64) {
	for _, s := range steps {
		list = append(list, s.replicas)
	}
	return list
}

func (r *rig) awaitReplicas(name string, want int64) {
	r.t.Helper()
	await(r.t, fmt.Sprintf("%d replicas", want), func() error {
		if n := r.replicas(name); n != want {
			return fmt.Errorf("%d replicas", n)
		}
		return nil
	})
}

// TestFirstJump wakes a function with a hundred events that take a second each, with the jump and without.
func TestFirstJump(t *testing.T) {
	r := startScaling(t, "ctl-jump")
	for _, goal := range []string{"", "target: {drain: 4s}, "} {
		for _, r.noJump = range []bool{false, true} {
			r.restartController()
			r.kubectl(sleeper(r.namespace, "{minReplicas: 0, maxReplicas: 5, "+goal+"cooldown: 5s}"), "apply", "-f", "-")
			r.awaitCondition("sleeper", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
			l := r.watchReplicas("sleeper")
			r.awaitReplicas("sleeper", 0)
			before, began := len(r.writes.all()), time.Now()
			r.sleepFor(time.Second, 100)
			r.awaitReplicas("sleeper", 5)
			steps := l.since(began)
			t.Logf("jump %v, goal %q:%s", !r.noJump, goal, tell(began, steps))
			scales := slices.DeleteFunc(r.writes.all()[before:], func(w string) bool { return !strings.Contains(w, "/scale?") })
			if got := numbers(steps); !r.noJump && !slices.Equal(got, []int64{0, 1, 5}) {
				t.Errorf("replicas were %v, want 0, 1 by KEDA, and then 5 at once", got)
			}
			byHPA := steps[len(steps)-1].by == "kube-controller-manager" // it may have looked in this very moment
			if jumped := len(scales) == 1; len(scales) > 1 || jumped == r.noJump && !byHPA {
				t.Errorf("the controller scaled:\n%s", strings.Join(scales, "\n"))
			}
			r.awaitReplicas("sleeper", 0)
			if !r.noJump {
				t.Logf("to the end:%s", tell(began, l.since(began)))
			}
			r.deleteAll("sleeper")
		}
	}
}

// TestSawtooth sends a burst again and again, and looks whether anybody takes back what another has written: in each tooth
// the replicas go up and then down, and never up again.
func TestSawtooth(t *testing.T) {
	r := startScaling(t, "ctl-sawtooth")
	length := 2 * time.Minute
	if os.Getenv("PELTON_LAB_LONG") != "" {
		length = 10 * time.Minute
	}
	r.kubectl(sleeper(r.namespace, "{minReplicas: 0, maxReplicas: 5, cooldown: 5s}"), "apply", "-f", "-")
	r.awaitCondition("sleeper", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	l := r.watchReplicas("sleeper")
	var teeth []time.Time
	// Most teeth begin at zero; every third comes while the replicas of the one before are still there.
	gaps := []time.Duration{35 * time.Second, 35 * time.Second, 15 * time.Second}
	total := 0
	for end := time.Now().Add(length); time.Now().Before(end); {
		teeth = append(teeth, time.Now())
		r.sleepFor(500*time.Millisecond, 40)
		total += 40
		select {
		case <-time.After(gaps[len(teeth)%len(gaps)]):
		case <-t.Context().Done():
		}
	}
	for i, from := range teeth {
		steps := l.since(from)
		if i+1 < len(teeth) {
			steps = slices.DeleteFunc(steps, func(s step) bool { return s.at.After(teeth[i+1]) })
		}
		t.Logf("tooth %d:%s", i, tell(from, steps))
		if flaps(numbers(steps)) {
			t.Errorf("tooth %d: replicas went up again after they went down: %v", i, numbers(steps))
		}
	}
	all := r.awaitSlept(total)
	for _, s := range all {
		if s.Attempt != 1 {
			t.Errorf("an event was begun again: %+v", s)
		}
	}
	t.Logf("%d changes in %d teeth; %d events, each in its first attempt", len(l.since(teeth[0]))-1, len(teeth), len(all))
	r.awaitReplicas("sleeper", 0)
}

// flaps reports whether numbers rise again after a fall that came after a rise. A fall at the very beginning is the end of
// the tooth before.
func flaps(n []int64) bool {
	rose, fell := false, false
	for i := 1; i < len(n); i++ {
		switch {
		case n[i] > n[i-1] && fell:
			return true
		case n[i] > n[i-1]:
			rose = true
		case rose:
			fell = true
		}
	}
	return false
}

// TestFlaps shows that the comparison can fail.
func TestFlaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n    []int64
		want bool
	}{
		{[]int64{0, 1, 5, 0}, false},
		{[]int64{5, 3, 0, 1, 5, 0}, false},
		{[]int64{0, 1, 5, 3, 5}, true},
		{[]int64{0, 5, 1, 5}, true},
		{[]int64{0}, false},
	} {
		if got := flaps(c.n); got != c.want {
			t.Errorf("%v: %v", c.n, got)
		}
	}
}
