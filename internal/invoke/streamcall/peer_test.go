package streamcall

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

// peer is the handler's side of a connection, driven by a test.
type peer struct {
	net.Conn
	r *streamwire.Reader
	w *streamwire.Welcome
}

func newInvoker(t *testing.T) *Invoker {
	t.Helper()
	inv, err := Listen(Config{
		Socket: socketPath(t), Function: "thumbnail", Namespace: "prod", Replica: "thumbnail-1",
		MaxResponse: 64 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	return inv
}

func connect(t *testing.T, inv *Invoker) *peer {
	t.Helper()
	conn, r, welcome, err := dialHandler(inv.cfg.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &peer{Conn: conn, r: r, w: welcome}
}

// next returns the next frame, which must be of the kind.
func (p *peer) next(t *testing.T, kind streamwire.Kind) *streamwire.Frame {
	t.Helper()
	f, err := nextFrame(p.r)
	if err != nil {
		t.Fatalf("next frame: %v", err)
	}
	if f.Kind != kind {
		t.Fatalf("next frame: got kind %d, want %d", f.Kind, kind)
	}
	return f
}

func (p *peer) send(t *testing.T, b []byte) {
	t.Helper()
	if _, err := p.Write(b); err != nil {
		t.Fatal(err)
	}
}

func done(id uint64) []byte {
	return streamwire.AppendResult(nil, &streamwire.Result{ID: id, Outcome: streamwire.OutcomeDone})
}

func newCall(data int) *invoke.Call {
	return &invoke.Call{
		Event:   &event.Event{ID: "1", Source: "/test", Type: "t", Data: make([]byte, data)},
		Attempt: 1, Deadline: time.Now().Add(patience),
	}
}

type result struct {
	outcome invoke.Outcome
	err     error
}

func start(ctx context.Context, inv *Invoker, call *invoke.Call) <-chan result {
	ch := make(chan result, 1)
	go func() {
		o, err := inv.Invoke(ctx, call)
		ch <- result{o, err}
	}()
	return ch
}

func wantCode(t *testing.T, r result, code string) {
	t.Helper()
	var e *invoke.Error
	if !errors.As(r.err, &e) || e.Code != code {
		t.Fatalf("got %+v and %v, want code %s", r.outcome, r.err, code)
	}
}

func wantDone(t *testing.T, r result) {
	t.Helper()
	if r.err != nil || r.outcome.Kind != invoke.Done {
		t.Fatalf("got %+v and %v, want done", r.outcome, r.err)
	}
}
