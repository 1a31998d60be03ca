// Package proxy is a network that can be hurt: a TCP proxy between two programs, slow, silent in one or both directions, or
// cut, as it is told.
//
// It knows nothing of what passes. What has come is not forgotten by a direction that is silent: as in TCP it arrives later,
// if the connection is still there by then. An end of a connection is held back just as well, so the other side does not
// learn of it: it is half open.
//
// Close ends it, with every connection, and waits for all that it started.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Direction is one of the two ways through a proxy.
type Direction int

// The directions. Who dials the proxy is the client.
const (
	Up   Direction = iota // from the client
	Down                  // to the client
)

// Shape is what a direction does to what passes. The zero value does nothing.
type Shape struct {
	Delay  time.Duration // before a byte is passed on
	Rate   int           // bytes a second; 0 is no bound
	Silent bool          // nothing passes, and nothing is said about it
}

// dialTimeout is for the connection to the server: it is on this machine.
const dialTimeout = 5 * time.Second

// Proxy passes connections on to one server.
type Proxy struct {
	listener net.Listener
	target   string
	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	shapes  [2]Shape
	changed chan struct{} // closed and replaced with every change of the shapes
	closed  bool          // no connection is let in
	passed  int           // connections that were
	open    map[*pair]struct{}
}

// pair is a connection of a client and the one to the server that belongs to it.
type pair struct{ client, server net.Conn }

// Listen makes a proxy on a free port of this machine that passes connections on to target.
func Listen(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen as a proxy: %w", err)
	}
	p := &Proxy{listener: l, target: target, changed: make(chan struct{}), open: map[*pair]struct{}{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where it listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Passed is how many connections it has let in so far.
func (p *Proxy) Passed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed
}

// Shape changes what a direction does, for the connections that are open and those that come.
func (p *Proxy) Shape(d Direction, s Shape) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shapes[d] = s
	close(p.changed)
	p.changed = make(chan struct{})
}

// Reset breaks every open connection, with whatever was on its way.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.reset()
	}
}

// Refuse breaks every connection, and each that comes, until it is told otherwise.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	p.closed = on
	p.mu.Unlock()
	if on {
		p.Reset()
	}
}

// Close breaks everything and returns when nothing is left.
func (p *Proxy) Close() {
	p.stop()
	_ = p.listener.Close()
	p.Refuse(true)
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.running.Go(func() { p.serve(client) })
		}
	}
}

// serve passes one connection on until both directions have ended.
func (p *Proxy) serve(client net.Conn) {
	dialer := net.Dialer{Timeout: dialTimeout}
	server, err := dialer.DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	c := &pair{client, server}
	if !p.admit(c) {
		c.reset()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(Up, c, client, server) })
	both.Go(func() { p.pass(Down, c, server, client) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = client.Close()
	_ = server.Close()
}

func (p *Proxy) admit(c *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.open[c] = struct{}{}
	p.passed++
	return true
}

// reset breaks both connections. Neither side is told politely: what was not passed on is lost.
func (c *pair) reset() {
	reset(c.client)
	reset(c.server)
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
