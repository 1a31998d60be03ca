package controller

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// gate is a way from NATS that can be closed: what is read then waits, as with a server that has too much to do.
type gate struct {
	mu     sync.Mutex
	closed chan struct{} // closed when the gate opens again, nil while it is open
}

// Dial implements nats.CustomDialer.
func (g *gate) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).Dial(network, address)
	return gatedConn{conn, g}, err
}

func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	closed := make(chan struct{})
	g.closed = closed
	return sync.OnceFunc(func() { close(closed) })
}

type gatedConn struct {
	net.Conn

	gate *gate
}

// Read implements io.Reader.
func (c gatedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.gate.mu.Lock()
	closed := c.gate.closed
	c.gate.mu.Unlock()
	if closed != nil {
		<-closed
	}
	return n, err
}

func queuesOf(t *testing.T, replicas int) (*queues, *gate) {
	t.Helper()
	g := &gate{}
	nc, err := nats.Connect(natstest.Start(t, natstest.Listen()).URL(), nats.SetCustomDialer(g), nats.Timeout(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	q, err := newQueues(nc, replicas, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return q, g
}

func greeter(name string) *function.Function {
	fn := &function.Function{Metadata: function.Metadata{Namespace: "shop", Name: name}}
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{"events." + name}}}}
	fn.SetDefaults()
	return fn
}

// TestSlowNATSStallsNobodyElse has one function wait for a NATS that does not answer. One that needs nothing of it goes on, and one
// that waits for the same does not wait as long.
func TestSlowNATSStallsNobodyElse(t *testing.T) {
	t.Parallel()
	q, g := queuesOf(t, 0)
	known, first, second := greeter("known"), greeter("first"), greeter("second")
	if err := q.provision(t.Context(), known, "u", 1); err != nil {
		t.Fatal(err)
	}
	q.mu.Lock()
	q.streams = time.Time{} // it is time to look at them again
	q.mu.Unlock()
	open := g.close()
	defer open()
	outcomes := make(chan error, 1)
	go func() { outcomes <- q.provision(t.Context(), first, "u", 1) }()
	waittest.Eventually(t, func() error {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.looking == nil {
			return errors.New("nobody looks at the streams")
		}
		return nil
	})
	if err := q.provision(t.Context(), known, "u", 1); err != nil {
		t.Errorf("a function that is provisioned: %v", err)
	}
	if err := q.provision(t.Context(), second, "u", 1); !errors.Is(err, errSlow) {
		t.Errorf("a function that waits for the same: %v", err)
	}
	select {
	case err := <-outcomes:
		t.Fatalf("the first has not waited for NATS: %v", err)
	default:
	}
	open()
	if err := <-outcomes; err != nil {
		t.Errorf("once NATS answers: %v", err)
	}
	if err := q.provision(t.Context(), second, "u", 1); err != nil {
		t.Errorf("the second, once NATS answers: %v", err)
	}
}

// TestRefusedReplicasStopNobody has a server that is alone asked for three replicas of streams that exist: each look says so, and
// functions have what they need all the same.
func TestRefusedReplicasStopNobody(t *testing.T) {
	t.Parallel()
	q, _ := queuesOf(t, 0)
	if err := q.provision(t.Context(), greeter("before"), "u", 1); err != nil {
		t.Fatal(err)
	}
	q, err := newQueues(q.nc, 3, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	fn := greeter("after")
	for range 3 {
		if err := q.provision(t.Context(), fn, "u", 1); !stream.Refused(err) || !strings.Contains(err.Error(), "stream EVENTS keeps 1 replicas") {
			t.Fatalf("it says %v", err)
		}
		owned, err := stream.OwnedBy(t.Context(), q.js, fn.Key())
		if err != nil || len(owned.Consumers) != 2 {
			t.Fatalf("consumers %+v, %v", owned.Consumers, err)
		}
	}
	q.replicas = 0
	q.forget(fn.Key())
	if err := q.provision(t.Context(), fn, "u", 1); err != nil {
		t.Errorf("once it is not asked for any more: %v", err)
	}
}
