package sidecar_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap/zaptest"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/sidecar"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// handler is an invoker in the test's own hands.
type handler struct {
	ready  atomic.Bool
	invoke func(ctx context.Context, c *invoke.Call) (invoke.Outcome, error)

	batch batchFunc

	running, most atomic.Int64
	calls         atomic.Int64
}

func (h *handler) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !h.ready.Load() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (h *handler) Invoke(ctx context.Context, c *invoke.Call) (invoke.Outcome, error) {
	if !h.ready.Load() {
		return invoke.Outcome{}, fmt.Errorf("%w: connection refused", invoke.ErrNotReady)
	}
	h.calls.Add(1)
	n := h.running.Add(1)
	defer h.running.Add(-1)
	for most := h.most.Load(); n > most && !h.most.CompareAndSwap(most, n); most = h.most.Load() {
	}
	return h.invoke(ctx, c)
}

// batchFunc answers a batch.
type batchFunc func(ctx context.Context, b *invoke.Batch) (invoke.Verdict, error)

func (h *handler) InvokeBatch(ctx context.Context, b *invoke.Batch) (invoke.Verdict, error) {
	if !h.ready.Load() {
		return invoke.Verdict{}, fmt.Errorf("%w: connection refused", invoke.ErrNotReady)
	}
	h.calls.Add(1)
	return h.batch(ctx, b)
}

func (h *handler) Close() error { return nil }

func done(context.Context, *invoke.Call) (invoke.Outcome, error) { return invoke.Outcome{}, nil }

// runs collects run records.
type runs struct {
	mu  sync.Mutex
	all []ledger.Run
}

func (r *runs) Record(run ledger.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, run)
}

func (r *runs) outcomes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var o []string
	for _, run := range r.all {
		o = append(o, run.Outcome)
	}
	return o
}

func (r *runs) get(i int) ledger.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[i]
}

type fixture struct {
	t       *testing.T
	srv     *natstest.Server
	nc      *nats.Conn
	js      jetstream.JetStream
	fn      *function.Function
	handler *handler
	runs    *runs
	cfg     sidecar.Config
}

func newFunction(change func(*function.Spec)) *function.Function {
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind, Metadata: function.Metadata{Name: "hello"}}
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{"events.hello"}}}}
	fn.Spec.Handler.Command = []string{"true"}
	fn.Spec.Retry = function.Retry{
		MaxAttempts: 3, MinBackoff: function.Duration(50 * time.Millisecond),
		MaxBackoff: function.Duration(100 * time.Millisecond),
	}
	if change != nil {
		change(&fn.Spec)
	}
	fn.SetDefaults()
	return fn
}

func setup(t *testing.T, change func(*function.Spec),
	invoked func(context.Context, *invoke.Call) (invoke.Outcome, error),
) *fixture {
	t.Helper()
	f := &fixture{t: t, srv: natstest.Start(t), fn: newFunction(change), runs: &runs{}, handler: &handler{invoke: invoked}}
	f.handler.ready.Store(true)
	f.nc = f.srv.Conn(t)
	f.js = f.srv.JetStream(t)
	if _, err := stream.Ensure(t.Context(), f.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.EnsureFunction(t.Context(), f.js, f.fn); err != nil {
		t.Fatal(err)
	}
	f.cfg = sidecar.Config{Function: f.fn, Replica: "r1", Recorder: f.runs, Logger: zaptest.NewLogger(t)}
	return f
}

// running is a started sidecar.
type running struct {
	*sidecar.Sidecar
	cancel context.CancelFunc
	done   chan error
}

func (f *fixture) start() *running {
	f.t.Helper()
	s, err := sidecar.New(f.nc, f.handler, f.cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{s, cancel, make(chan error, 1)}
	go func() { r.done <- s.Run(ctx); close(r.done) }()
	f.t.Cleanup(func() { r.stop(f.t) })
	return r
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := waittest.Receive(t, r.done); err != nil {
		t.Errorf("run: %v", err)
	}
}

func (f *fixture) publish(subject, data string, header nats.Header) uint64 {
	f.t.Helper()
	ack, err := f.js.PublishMsg(f.t.Context(), &nats.Msg{Subject: subject, Header: header, Data: []byte(data)})
	if err != nil {
		f.t.Fatal(err)
	}
	return ack.Sequence
}

func ceHeader(id string) nats.Header {
	return nats.Header{"ce-specversion": {"1.0"}, "ce-id": {id}, "ce-source": {"/test"}, "ce-type": {"test.made"}}
}

// awaitSettled waits until the server has nothing pending and nothing unacknowledged for the function.
func (f *fixture) awaitSettled() {
	f.t.Helper()
	waittest.Eventually(f.t, func() error {
		for _, c := range stream.ConsumersOf(f.fn) {
			have, err := f.js.Consumer(f.t.Context(), c.Stream, c.Name)
			if err != nil {
				return err
			}
			if i := have.CachedInfo(); i.NumPending > 0 || i.NumAckPending > 0 {
				return fmt.Errorf("consumer %s: %d pending, %d unacknowledged, outcomes %v", c.Name, i.NumPending, i.NumAckPending,
					f.runs.outcomes())
			}
		}
		s, err := f.js.Stream(f.t.Context(), stream.WorkStream)
		if err != nil {
			return err
		}
		if n := s.CachedInfo().State.Msgs; n > 0 {
			return fmt.Errorf("%d messages in %s, outcomes %v", n, stream.WorkStream, f.runs.outcomes())
		}
		return nil
	})
}

func (f *fixture) letters() []deadletter.Letter {
	f.t.Helper()
	letters, err := deadletter.List(f.t.Context(), f.js, deadletter.Filter{Namespace: "default", Function: "hello"})
	if err != nil {
		f.t.Fatal(err)
	}
	return letters
}

func msg(i int) *nats.Msg {
	return &nats.Msg{Subject: "events.hello", Header: ceHeader(fmt.Sprint(i)), Data: []byte(`{"n":1}`)}
}
