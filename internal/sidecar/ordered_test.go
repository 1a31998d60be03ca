package sidecar_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/sidecar"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// byKey is a handler that notes in which order events of each key begin and end, and whether two are at work at a time.
type byKey struct {
	mu       sync.Mutex
	begun    map[string][]string // by key: ids
	ended    map[string][]string
	busy     map[string]string
	problems []string
}

func newByKey() *byKey {
	return &byKey{begun: map[string][]string{}, ended: map[string][]string{}, busy: map[string]string{}}
}

func keyOf(c *invoke.Call) string {
	key, _, _ := strings.Cut(c.Event.ID, "-")
	return key
}

func (b *byKey) begin(c *invoke.Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, id := keyOf(c), c.Event.ID
	if other, busy := b.busy[key]; busy {
		b.problems = append(b.problems, fmt.Sprintf("%s begins while %s is at work", id, other))
	}
	if c.Epoch == 0 {
		b.problems = append(b.problems, id+" has no epoch")
	}
	b.busy[key] = id
	b.begun[key] = append(b.begun[key], id)
}

func (b *byKey) end(c *invoke.Call, done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := keyOf(c)
	delete(b.busy, key)
	if done {
		b.ended[key] = append(b.ended[key], c.Event.ID)
	}
}

// await waits until so many events have ended.
func (b *byKey) await(t *testing.T, want int) {
	t.Helper()
	waittest.Eventually(t, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		n := 0
		for _, ids := range b.ended {
			n += len(ids)
		}
		if n < want {
			return fmt.Errorf("%d of %d have ended", n, want)
		}
		return nil
	})
}

// check wants that the events of each key have ended once each and in their order.
func (b *byKey) check(t *testing.T, keys, each int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		t.Error(p)
	}
	for k := range keys {
		var want []string
		for n := range each {
			want = append(want, fmt.Sprintf("k%d-%d", k, n))
		}
		if got := b.ended[fmt.Sprintf("k%d", k)]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("key %d ended as %v", k, got)
		}
	}
}

func inOrder(s *function.Spec) { s.Ordering = &function.Ordering{Key: "event.subject"} }

func (f *fixture) publishKeys(keys, each int) {
	f.t.Helper()
	for n := range each {
		for k := range keys {
			h := ceHeader(fmt.Sprintf("k%d-%d", k, n))
			h["ce-subject"] = []string{fmt.Sprintf("k%d", k)}
			f.publish("events.hello", `{}`, h)
		}
	}
}

// another is a second replica with a connection of its own.
func (f *fixture) another(name string) *running {
	f.t.Helper()
	nc := f.srv.Conn(f.t, nats.ReconnectBufSize(-1))
	cfg := f.cfg
	cfg.Replica = name
	s, err := sidecar.New(nc, f.handler, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{s, cancel, make(chan error, 1)}
	go func() { r.done <- s.Run(ctx); close(r.done) }()
	f.t.Cleanup(func() { r.stop(f.t) })
	return r
}

func TestOrder(t *testing.T) {
	t.Parallel()
	b := newByKey()
	f := setup(t, inOrder, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		b.begin(c)
		defer b.end(c, true)
		return invoke.Outcome{}, nil
	})
	f.publishKeys(10, 20)
	f.start()
	b.await(t, 200)
	f.awaitSettled()
	b.check(t, 10, 20)
}

// TestOrderOfRetries has the first attempts fail: they hold up their own key and no other.
func TestOrderOfRetries(t *testing.T) {
	t.Parallel()
	b := newByKey()
	f := setup(t, inOrder, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		b.begin(c)
		failing := strings.HasSuffix(c.Event.ID, "-1") && c.Attempt < 3
		b.end(c, !failing)
		if failing {
			return invoke.Outcome{Kind: invoke.Retry}, nil
		}
		return invoke.Outcome{}, nil
	})
	f.publishKeys(4, 3)
	f.start()
	b.await(t, 12)
	f.awaitSettled()
	b.check(t, 4, 3)
}

// TestOrderOfReplicas has replicas come and go.
func TestOrderOfReplicas(t *testing.T) {
	t.Parallel()
	b := newByKey()
	f := setup(t, inOrder, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		b.begin(c)
		defer b.end(c, true)
		<-time.After(time.Millisecond)
		return invoke.Outcome{}, nil
	})
	first := f.start()
	second := f.another("r2")
	f.publishKeys(20, 20)
	waittest.Eventually(t, func() error {
		if n := f.handler.calls.Load(); n < 50 {
			return fmt.Errorf("%d calls", n)
		}
		return nil
	})
	first.stop(t)
	third := f.another("r3")
	second.stop(t)
	b.await(t, 400)
	f.awaitSettled()
	third.stop(t)
	b.check(t, 20, 20)
}
