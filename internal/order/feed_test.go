package order

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// collector is a sink that has room for a few events at a time.
type collector struct {
	events, bytes int
	full          int // so many events fill it; 0 is never

	mu       sync.Mutex
	taken    []uint64
	again    int // were delivered more than once
	sessions []uint64
}

func (c *collector) take(_ *feed, d delivered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = append(c.taken, d.sequence)
	if d.count > 1 {
		c.again++
	}
}

// room is full at some point, but for what has come before.
func (c *collector) room(ctx context.Context, before bool) (events, bytes int) {
	c.mu.Lock()
	full := c.full > 0 && len(c.taken) >= c.full && !before
	c.mu.Unlock()
	if full {
		<-ctx.Done()
		return 0, 0
	}
	return c.events, c.bytes
}

func (c *collector) unsound(string) {}

func (c *collector) isSound(string) bool { return true }

func (c *collector) high(string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Max(append([]uint64{0}, c.taken...))
}

func (c *collector) soundIn(_ ID, session uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = append(c.sessions, session)
}

func (c *collector) await(t *testing.T, events, sound int) {
	t.Helper()
	waittest.Eventually(t, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.taken) < events || len(c.sessions) < sound {
			return fmt.Errorf("%d events have come, sound %d times", len(c.taken), len(c.sessions))
		}
		return nil
	})
}

type feeding struct {
	*collector
	srv  *natstest.Server
	js   jetstream.JetStream
	logs *observer.ObservedLogs
}

// startFeed feeds from the stream of events.
func startFeed(t *testing.T, events, bytes int) *feeding {
	t.Helper()
	srv := natstest.Start(t, natstest.StoreDir(t.TempDir()))
	js := srv.JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	fn := &function.Function{Metadata: function.Metadata{Namespace: "default", Name: "fn"}}
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{Stream: stream.EventsStream, Subjects: []string{"events.x"}}}}
	consumers, err := stream.EnsureFunction(t.Context(), js, fn)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	f := &feeding{&collector{events: events, bytes: bytes}, srv, js, logs}
	fd := &feed{nc: srv.Conn(t), js: js, consumer: consumers[0], sink: f.collector, log: zap.New(core)}
	fd.js, _ = jetstream.New(fd.nc)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { fd.run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return f
}

func (f *feeding) publish(t *testing.T, size int) {
	t.Helper()
	m := &nats.Msg{Subject: "events.x", Data: make([]byte, size)}
	if _, err := f.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// TestFeedOfManySizes brings events that fill a request, and one that is larger than what was asked for, without ever starting
// over.
func TestFeedOfManySizes(t *testing.T) {
	t.Parallel()
	f := startFeed(t, 7, 4000)
	for i := range 60 {
		f.publish(t, 100+i*20)
		if i%20 == 5 {
			f.publish(t, 10_000)
		}
	}
	f.await(t, 63, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.IsSorted(f.taken) || f.again > 0 {
		t.Errorf("came in the order %v, %d again", f.taken, f.again)
	}
	for _, entry := range f.logs.All() {
		t.Errorf("%s %v", entry.Message, entry.ContextMap())
	}
}

// TestFullFeedAfterRestart brings again what fills it, although there is room for nothing.
func TestFullFeedAfterRestart(t *testing.T) {
	t.Parallel()
	f := startFeed(t, 7, windowBytes)
	f.mu.Lock()
	f.full = 20
	f.mu.Unlock()
	for range 30 {
		f.publish(t, 10)
	}
	f.await(t, 20, 1)
	f.srv.Restart(t)
	f.await(t, 40, 2)
}

// TestFeedAfterRestart brings everything again that is not acknowledged, in order, and is sound only then.
func TestFeedAfterRestart(t *testing.T) {
	t.Parallel()
	f := startFeed(t, 7, windowBytes)
	for range 20 {
		f.publish(t, 10)
	}
	f.await(t, 20, 1)
	f.srv.Restart(t)
	f.await(t, 40, 2)
	f.mu.Lock()
	defer f.mu.Unlock()
	want := make([]uint64, 0, 40)
	for range 2 {
		for n := range uint64(20) {
			want = append(want, n+1)
		}
	}
	if !slices.Equal(f.taken, want) || f.sessions[0] == f.sessions[1] {
		t.Errorf("came in the order %v, sound in %v", f.taken, f.sessions)
	}
}
