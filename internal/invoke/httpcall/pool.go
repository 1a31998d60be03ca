package httpcall

import (
	"context"
	"sync"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// maxIdleTime is how long the connection that was unused the longest is kept.
const maxIdleTime = time.Minute

// pool keeps the connections to one handler. The one that came back last goes out first, so that as few as possible stay
// in use and the rest grow old.
type pool struct {
	network, address string
	maxIdle          int

	// ctx ends when the pool closes. It cuts dials and waiting.
	ctx    context.Context
	cancel context.CancelFunc
	calls  sync.WaitGroup // Add only under mu and before closed is set

	mu     sync.Mutex
	closed bool
	idle   []*conn            // oldest first
	live   map[*conn]struct{} // idle or in a call
}

func newPool(cfg Config) *pool {
	p := &pool{network: cfg.Network, address: cfg.Address, maxIdle: cfg.MaxIdle, live: map[*conn]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// enter begins a call or a wait, which leave ends.
func (p *pool) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return invoke.ErrClosed
	}
	p.calls.Add(1)
	return nil
}

func (p *pool) leave() { p.calls.Done() }

func (p *pool) isClosed() bool { return p.ctx.Err() != nil }

// get returns a connection with the deadline set, which the end of ctx interrupts. dialed says that it is new; else the handler may have closed it meanwhile,
// which the exchange looks at.
func (p *pool) get(ctx context.Context, deadline time.Time) (c *conn, dialed bool, err error) {
	now := time.Now()
	for c := p.pop(); c != nil; c = p.pop() {
		c.watch(ctx)
		if c.fresh(now) && c.nc.SetDeadline(deadline) == nil {
			return c, false, nil
		}
		p.discard(c)
	}
	c, err = p.dial(ctx, deadline)
	if err != nil {
		return nil, false, err
	}
	c.watch(ctx)
	if err := c.nc.SetDeadline(deadline); err != nil {
		p.discard(c)
		return nil, false, err
	}
	return c, true, nil
}

// getIdle returns an idle connection that the handler has not closed, or nil.
func (p *pool) getIdle() *conn {
	now := time.Now()
	for {
		c := p.pop()
		if c == nil {
			return nil
		}
		// The deadline comes first: the probe fails while an old one has passed.
		if err := c.nc.SetDeadline(time.Time{}); err == nil && c.fresh(now) && c.alive() {
			return c
		}
		p.discard(c)
	}
}

func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return c
}

// put takes a connection that a call or a dial has just left usable.
func (p *pool) put(c *conn) {
	c.idleSince, c.used = time.Now(), true
	p.putBack(c)
}

// putBack takes back a connection that was only looked at: for the handler it is as idle as before.
func (p *pool) putBack(c *conn) {
	if extra := p.push(c); extra != nil {
		p.discard(extra)
	}
}

// push adds to the idle connections and returns one that is too many or too old, if any.
func (p *pool) push(c *conn) (extra *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return c
	}
	p.idle = append(p.idle, c)
	oldest := p.idle[0]
	if len(p.idle) <= p.maxIdle && c.idleSince.Sub(oldest.idleSince) < maxIdleTime {
		return nil
	}
	copy(p.idle, p.idle[1:])
	p.idle[len(p.idle)-1] = nil
	p.idle = p.idle[:len(p.idle)-1]
	return oldest
}

// discard closes a connection that is in nobody's hands.
func (p *pool) discard(c *conn) {
	c.forget()
	p.mu.Lock()
	delete(p.live, c)
	p.mu.Unlock()
	_ = c.nc.Close()
}

// adopt counts a new connection as live. It refuses when the pool was closed meanwhile.
func (p *pool) adopt(c *conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return invoke.ErrClosed
	}
	p.live[c] = struct{}{}
	return nil
}

// close closes all connections, whoever uses them, and waits until every call has returned.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.cancel()
	for c := range p.live {
		_ = c.nc.Close()
	}
	clear(p.live)
	for _, c := range p.idle {
		c.forget()
	}
	p.idle = nil
	p.mu.Unlock()
	p.calls.Wait()
}
