// Package streamcall invokes handlers that speak the framed protocol of proto/pelton/handler/v1: many calls at once over
// one unix socket, which the sidecar listens on and the handler dials.
//
// It owns the socket and the connection, and knows no process: whoever starts the handler gives it the socket's path in
// PELTON_SOCKET. There is at most one connection that takes calls; when it ends, its calls fail and the next one is taken.
// Close ends the listener, every connection and all goroutines.
package streamcall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
)

const (
	maxPath       = 103              // bytes of a socket's path that every system takes
	maxHandshakes = 8                // connections that may be in their handshake at once, or refused
	helloTimeout  = 10 * time.Second // from a connection to its Hello
	handover      = time.Second      // how long a new handler waits for the old one's connection to end
)

var errNoHandler = errors.New("no handler is connected")

// Config says where to listen and what the handler is told.
type Config struct {
	Socket      string // path of the unix socket; a stale one is replaced
	MaxResponse int    // bytes of one Result; 0 is invoke.DefaultMaxResponse

	// Batches says that the handler is given batches and no calls. One that does not take them is refused.
	Batches bool

	// Told to the handler.
	Function, Namespace, Replica string
}

// Invoker implements invoke.Invoker.
type Invoker struct {
	cfg     Config
	ln      *net.UnixListener
	slots   chan struct{} // one per connection in its handshake
	closing chan struct{} // closed by Close
	running sync.WaitGroup
	waits   sync.Pool // of *waiting

	current atomic.Pointer[session] // the connection that takes calls; written under mu

	mu      sync.Mutex
	changed chan struct{} // closed and renewed when current changes
	conns   map[net.Conn]struct{}
	closed  bool
}

var _ invoke.Invoker = (*Invoker)(nil)

// Listen makes the socket, which only the current user may connect to, and takes handlers until Close.
func Listen(cfg Config) (*Invoker, error) {
	if cfg.MaxResponse <= 0 {
		cfg.MaxResponse = invoke.DefaultMaxResponse
	}
	ln, err := listen(cfg.Socket)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", cfg.Socket, err)
	}
	i := &Invoker{
		cfg: cfg, ln: ln, slots: make(chan struct{}, maxHandshakes), closing: make(chan struct{}),
		changed: make(chan struct{}), conns: map[net.Conn]struct{}{},
	}
	i.waits.New = func() any { return newWaiting() }
	i.running.Go(i.accept)
	return i, nil
}

func listen(path string) (*net.UnixListener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("its path is %d bytes long, want at most %d", len(path), maxPath)
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// WaitReady returns nil once a handler has said Hello.
func (i *Invoker) WaitReady(ctx context.Context) error {
	for {
		if i.current.Load() != nil {
			return nil
		}
		i.mu.Lock()
		changed, closed, ready := i.changed, i.closed, i.current.Load() != nil
		i.mu.Unlock()
		if closed {
			return invoke.NotReady(invoke.ErrClosed)
		}
		if ready {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Invoke sends the event to the handler and waits for its Result.
func (i *Invoker) Invoke(ctx context.Context, call *invoke.Call) (invoke.Outcome, error) {
	if err := invoke.Begin(ctx, call); err != nil {
		return invoke.Outcome{}, err
	}
	s := i.current.Load()
	if s == nil {
		return invoke.Outcome{}, i.absent()
	}
	w := i.waits.Get().(*waiting)
	outcome, err := s.invoke(ctx, call, w)
	i.waits.Put(w)
	return outcome, err
}

// absent says why there is no handler.
func (i *Invoker) absent() error {
	select {
	case <-i.closing:
		return invoke.NotReady(invoke.ErrClosed)
	default:
		return invoke.NotReady(errNoHandler)
	}
}

// Close cuts running calls, removes the socket and waits until everything has ended.
func (i *Invoker) Close() error {
	i.mu.Lock()
	first := !i.closed
	i.closed = true
	if first {
		close(i.closing)
		i.setCurrent(nil)
	}
	for conn := range i.conns {
		_ = conn.Close() // its session ends with it and reports to its callers
	}
	i.mu.Unlock()
	var err error
	if first {
		err = i.ln.Close()
	}
	i.running.Wait()
	if err != nil {
		return fmt.Errorf("close socket: %w", err)
	}
	return nil
}

// setCurrent changes the connection that takes calls. The caller holds mu.
func (i *Invoker) setCurrent(s *session) {
	i.current.Store(s)
	close(i.changed)
	i.changed = make(chan struct{})
}
