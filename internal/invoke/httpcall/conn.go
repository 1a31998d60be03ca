package httpcall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	bufferSize = 4 << 10 // of a connection that is not reading a long head

	// smallBody is copied behind the head, so that the request is one buffer and one write.
	smallBody = 8 << 10

	// safeBody always fits into the socket's buffer, so that writing it cannot block on a handler that answers first.
	safeBody = 64 << 10

	// lingering is how long the rest of a body may take to leave after the answer to it is complete.
	lingering = 50 * time.Millisecond
)

// errUnsent says that no byte of the request was delivered.
var errUnsent = errors.New("nothing was sent")

// conn is one connection. It belongs to one call or lies idle in the pool; only interrupt and Close of nc are called from
// elsewhere.
type conn struct {
	nc   net.Conn
	raw  syscall.RawConn
	in   buffer
	out  []byte // head of the request, reused
	bufs [2][]byte
	vec  net.Buffers // view of bufs, used up by a write

	used      bool // it has answered a call: the handler may have closed it since
	idleSince time.Time
	keepAlive time.Duration // how long the handler says it keeps an idle connection; 0 if it does not say

	// The Done of the context whose end interrupts the connection, nil for none. It stays from call to call, as nearly all have the
	// same. Who has the connection writes it, under mu, and the end of a context reads it.
	mu      sync.Mutex
	watched <-chan struct{}
	unwatch func() bool

	acked bool // in this exchange: see hurry

	// Bound once, so that a call allocates no closures for them.
	probeFunc func(fd uintptr) bool
	probed    error
	turn      turn
}

func newConn(nc net.Conn) (*conn, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("use connection of type %T: it has no descriptor", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("get descriptor of connection: %w", err)
	}
	c := &conn{nc: nc, raw: raw}
	c.in = buffer{src: nc, b: make([]byte, bufferSize)}
	if _, ok := nc.(*net.TCPConn); ok {
		c.in.more = c.hurry
	}
	c.turn.step = c.takeTurn
	c.probeFunc = c.probe
	return c, nil
}

// watch interrupts the connection when ctx ends. The deadline is set after it, as the context of an earlier call may have
// interrupted the idle connection.
func (c *conn) watch(ctx context.Context) {
	done := ctx.Done()
	if done == c.watched {
		return
	}
	c.forget()
	if done == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched, c.unwatch = done, context.AfterFunc(ctx, func() { c.interrupt(done) })
}

// forget ends the watch, or the context would hold the connection for ever. Once it has returned nothing interrupts any more.
func (c *conn) forget() {
	if c.watched == nil {
		return
	}
	c.mu.Lock()
	c.watched = nil
	c.mu.Unlock()
	c.unwatch()
}

// interrupt ends a blocked read or write, unless another context is watched by now.
func (c *conn) interrupt(done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watched == done {
		_ = c.nc.SetDeadline(time.Unix(1, 0))
	}
}

// fresh reports whether the handler still keeps an idle connection, by its own word.
func (c *conn) fresh(now time.Time) bool {
	return c.keepAlive == 0 || now.Sub(c.idleSince) < c.keepAlive
}

// alive reports whether an idle connection can take a request: it is neither closed by the handler nor holds bytes that
// nobody asked for. It does not block.
func (c *conn) alive() bool {
	c.probed = nil
	if err := c.raw.Read(c.probeFunc); err != nil {
		return false
	}
	return errors.Is(c.probed, syscall.EAGAIN)
}

// probe reads where nothing may be. It must not wait, so it always says that it is finished.
func (c *conn) probe(fd uintptr) bool {
	var b [1]byte
	_, c.probed = syscall.Read(int(fd), b[:])
	return true
}

// hurry acknowledges what has come of an answer, once in an exchange, before more of it is awaited. A server that writes its header and
// its body apart, as many do, sends the second only when the first is acknowledged (Nagle's rule), and the kernel puts that off for
// 40 ms, in the hope of something to send along with it.
func (c *conn) hurry() {
	if !c.acked {
		c.acked = true
		_ = c.raw.Control(ackNow) // a closed connection needs none
	}
}

// exchange sends the request whose head is in c.out and reads the answer. Its error wraps errUnsent if nothing was
// delivered; else it is an *invoke.Error or an error of the connection.
func (c *conn) exchange(body []byte, w wants) (answer, error) {
	c.in.reset()
	c.acked = false
	if len(body) <= smallBody {
		return c.exchangeSmall(body, w)
	}
	if c.used && !c.alive() {
		return answer{}, fmt.Errorf("%w: %w", errUnsent, errStale)
	}
	if len(body) > safeBody {
		return c.exchangeLarge(body, w)
	}
	n, err := c.send(body)
	return c.afterWrite(int(n), err, w)
}

// afterWrite reads the answer to a request of which sent bytes were written before err.
func (c *conn) afterWrite(sent int, err error, w wants) (answer, error) {
	if err != nil && sent == 0 {
		return answer{}, fmt.Errorf("%w: %w", errUnsent, withoutAddress(err))
	}
	if err != nil && isTimeout(err) {
		return answer{}, err
	}
	// After another write error the handler may have answered before it closed.
	a, readErr := readAnswer(c, w)
	a.reusable = a.reusable && err == nil
	return a, readErr
}

// exchangeLarge sends a body that may not fit into the socket's buffer while it waits for the answer, because a handler
// may answer without reading.
func (c *conn) exchangeLarge(body []byte, w wants) (answer, error) {
	var n int64
	var err error
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		n, err = c.send(body)
	}()
	a, readErr := readAnswer(c, w)
	if readErr != nil {
		_ = c.nc.Close()
	} else {
		_ = c.nc.SetWriteDeadline(time.Now().Add(lingering))
	}
	<-sent
	if err != nil && n == 0 && readErr != nil {
		return answer{}, fmt.Errorf("%w: %w", errUnsent, withoutAddress(err))
	}
	a.reusable = a.reusable && err == nil
	return a, readErr
}

// send writes head and body in one go and returns how many bytes left.
func (c *conn) send(body []byte) (int64, error) {
	c.bufs[0], c.bufs[1] = c.out, body
	c.vec = c.bufs[:]
	n, err := c.vec.WriteTo(c.nc)
	c.bufs[1] = nil
	return n, err
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// withoutAddress takes the addresses out of a connection's error: they change from run to run and say nothing.
func withoutAddress(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the handler closed the connection before its answer was complete")
	}
	return err
}
