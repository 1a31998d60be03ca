package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// cluster plays an apiserver: it has one Deployment, and takes or refuses what is written.
type cluster struct {
	client.Client

	replicas int64
	answer   func(pod string) error
	written  chan string
}

// Get implements client.Reader.
func (c *cluster) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	if key.Name != "thumb-pfn" {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "deployments"}, key.Name)
	}
	o.(*unstructured.Unstructured).Object["spec"] = map[string]any{"replicas": c.replicas}
	return nil
}

// Patch implements client.Writer.
func (c *cluster) Patch(_ context.Context, o client.Object, p client.Patch, _ ...client.PatchOption) error {
	data, err := p.Data(o)
	if err != nil || p.Type() != types.JSONPatchType {
		return fmt.Errorf("patch of type %s: %w", p.Type(), err)
	}
	if !strings.Contains(string(data), `{"op":"test","path":"/metadata/labels/pelton.dev~1function","value":"thumb"}`) {
		return fmt.Errorf("patch does not ask whose the pod is: %s", data)
	}
	_, cost, _ := strings.Cut(string(data), "/metadata/annotations/controller.kubernetes.io~1pod-deletion-cost")
	if c.answer != nil {
		if err := c.answer(o.GetName()); err != nil {
			return err
		}
	}
	c.written <- o.GetNamespace() + "/" + o.GetName() + " " + strings.Trim(cost, `",value:}]`)
	return nil
}

// newTestCosts has a clock that stands still until it is set.
func newTestCosts(t *testing.T, replicas int64) (*costs, *cluster, *time.Time) {
	t.Helper()
	k := &cluster{replicas: replicas, written: make(chan string, 1000)}
	c := newCosts(k, natstest.Start(t).Conn(t), zap.NewNop())
	now := time.Unix(1000, 0)
	c.now = func() time.Time { return now }
	return c, k, &now
}

func (c *costs) said(t *testing.T, replica, text string) {
	t.Helper()
	w, err := parseWord([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	key := function.Key{Namespace: "shop", Name: "thumb"}
	if c.heard[key] == nil {
		c.heard[key] = map[string]word{}
	}
	c.heard[key][replica] = w
}

// wrote returns what was written since the last time.
func (k *cluster) wrote() string {
	var all []string
	for len(k.written) > 0 {
		all = append(all, <-k.written)
	}
	return strings.Join(all, ", ")
}

func TestCostOf(t *testing.T) {
	t.Parallel()
	for busy, want := range map[int]string{
		-1: "0", 0: "0", 1: "2", 2: "3", 3: "3", 4: "5", 7: "5", 8: "9", 10_000: "8193", 1<<31 - 1: "1073741825",
	} {
		if got := costOf(busy); got != want {
			t.Errorf("%d calls cost %s, want %s", busy, got, want)
		}
	}
}

func TestParseWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]word{"0": {}, "12": {busy: 12}, event.Leaving: {leaving: true}} {
		if got, err := parseWord([]byte(text)); got != want || err != nil {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5", "many", "99999999999", "0x1"} {
		if got, err := parseWord([]byte(text)); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// TestCostsAreWritten once for each change, and not more often than once in a second.
func TestCostsAreWritten(t *testing.T) {
	t.Parallel()
	c, k, now := newTestCosts(t, 2)
	for i, step := range []struct{ said, want string }{
		{"3", "shop/a 3"},
		{"3", ""},
		{"2", ""},  // costs the same
		{"8", ""},  // within the same second
		{"16", ""}, // neither
		{">", "shop/a 17"},
		{">", ""},
		{"0", "shop/a 0"},
	} {
		if step.said == ">" {
			*now = now.Add(costRest)
		} else {
			c.said(t, "a", step.said)
		}
		if i == 7 {
			*now = now.Add(costRest)
		}
		wait := c.round(t.Context())
		if got := k.wrote(); got != step.want {
			t.Errorf("step %d, said %s: wrote %q, want %q", i, step.said, got, step.want)
		}
		if wait <= 0 || wait > costMemory {
			t.Errorf("step %d: the next round is in %v", i, wait)
		}
	}
}

// TestOneReplicaIsNotWritten: it is compared with nobody. Neither is one of a function that does not exist.
func TestOneReplicaIsNotWritten(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int64{0, 1} {
		c, k, _ := newTestCosts(t, replicas)
		c.said(t, "a", "3")
		c.heard[function.Key{Namespace: "shop", Name: "none"}] = map[string]word{"none-pfn-1": {busy: 1}}
		c.round(t.Context())
		if got := k.wrote(); got != "" || len(c.pods) > 0 {
			t.Errorf("%d replicas: wrote %q, remembers %v", replicas, got, c.pods)
		}
	}
}

// TestManyNames come from a sidecar that makes them up: no more are tried than the function can have pods.
func TestManyNames(t *testing.T) {
	t.Parallel()
	c, k, now := newTestCosts(t, 3)
	tried := 0
	k.answer = func(pod string) error {
		tried++
		return apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, pod)
	}
	for i := range 500 {
		c.said(t, fmt.Sprintf("made-up-%d", i), "9")
	}
	for range 10 {
		c.round(t.Context())
		*now = now.Add(costRest)
	}
	if tried != 14 {
		t.Errorf("tried %d pods, want 2*3+8, each once", tried)
	}
}

// TestForgotten are pods that leave, and those that say nothing more.
func TestForgotten(t *testing.T) {
	t.Parallel()
	c, k, now := newTestCosts(t, 3)
	c.said(t, "leaves", "1")
	c.said(t, "silent", "1")
	c.round(t.Context())
	c.said(t, "leaves", event.Leaving)
	c.round(t.Context())
	if n := len(c.pods[function.Key{Namespace: "shop", Name: "thumb"}]); n != 1 {
		t.Errorf("%d pods are remembered", n)
	}
	*now = now.Add(costMemory)
	c.round(t.Context())
	if len(c.pods) > 0 {
		t.Errorf("remembered: %v", c.pods)
	}
	if got := strings.Count(k.wrote(), "shop/"); got != 2 {
		t.Errorf("%d writes", got)
	}
}

// TestApiserverAway tries again until it takes the last word.
func TestApiserverAway(t *testing.T) {
	t.Parallel()
	c, k, now := newTestCosts(t, 2)
	away := true
	k.answer = func(string) error {
		if away {
			return errors.New("connection refused")
		}
		return nil
	}
	c.said(t, "a", "1")
	c.round(t.Context())
	c.said(t, "a", "4")
	c.round(t.Context())
	away = false
	*now = now.Add(c.round(t.Context()))
	c.round(t.Context())
	if got := k.wrote(); got != "shop/a 5" {
		t.Errorf("wrote %q", got)
	}
}

// TestCostsListen goes through a NATS server, and ends with its context.
func TestCostsListen(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	k := &cluster{replicas: 2, written: make(chan string, 1000)}
	c := newCosts(k, srv.Conn(t), zap.NewNop())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	nc := srv.Conn(t)
	waittest.Eventually(t, func() error { // the subscription may not be there yet
		for subject, text := range map[string]string{
			"pelton.busy.shop.thumb.a": "1", "pelton.busy.shop.thumb.b": "nonsense", "pelton.busy.SHOP.thumb.c": "1",
		} {
			if err := nc.Publish(subject, []byte(text)); err != nil {
				return err
			}
		}
		if len(k.written) == 0 {
			return errors.New("nothing was written")
		}
		return nil
	})
	cancel()
	if err := waittest.Receive(t, ended); err != nil {
		t.Error(err)
	}
	if got := k.wrote(); got != "shop/a 2" {
		t.Errorf("wrote %q", got)
	}
}
