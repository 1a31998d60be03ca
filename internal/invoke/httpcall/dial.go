package httpcall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
)

const (
	minPoll     = 250 * time.Microsecond
	maxPoll     = 10 * time.Millisecond
	slowPoll    = 50 * time.Millisecond
	startupTime = 5 * time.Second // after it, a handler is late and polled slowly
)

// WaitReady returns once the handler accepts a connection, which is kept for the first call.
func (i *Invoker) WaitReady(ctx context.Context) error {
	if err := i.pool.enter(); err != nil {
		return invoke.NotReady(err)
	}
	defer i.pool.leave()
	if c := i.pool.getIdle(); c != nil {
		i.pool.putBack(c)
		return nil
	}
	start := time.Now()
	for {
		c, err := i.pool.dial(ctx, time.Time{})
		if err == nil {
			i.pool.put(c)
			return nil
		}
		if ended := i.pool.pause(ctx, pollPause(time.Since(start))); ended != nil {
			return fmt.Errorf("wait for handler: %w: %w", ended, err)
		}
	}
}

// pollPause grows with the time already waited, so that the end of a short wait is seen at once and a long one is cheap.
func pollPause(waited time.Duration) time.Duration {
	if waited > startupTime {
		return slowPoll
	}
	return min(max(waited/32, minPoll), maxPoll)
}

// pause waits, unless ctx or the pool ends first: then it says which.
func (p *pool) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ctx.Done():
		return invoke.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// dial opens a connection.
func (p *pool) dial(ctx context.Context, deadline time.Time) (*conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	nc, err := p.connect(ctx, deadline)
	if err != nil && p.isClosed() {
		return nil, invoke.ErrClosed
	}
	if err != nil {
		return nil, err
	}
	return p.newConn(nc)
}

func (p *pool) newConn(nc net.Conn) (*conn, error) {
	c, err := newConn(nc)
	if err == nil {
		err = p.adopt(c)
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// connect dials, again and again while the queue of a unix socket is full: unlike TCP, the kernel does not wait there.
func (p *pool) connect(ctx context.Context, deadline time.Time) (net.Conn, error) {
	d := net.Dialer{Deadline: deadline}
	for wait := minPoll; ; wait = min(2*wait, maxPoll) {
		nc, err := d.DialContext(ctx, p.network, p.address)
		if !errors.Is(err, syscall.EAGAIN) {
			return nc, err
		}
		if !deadline.IsZero() && time.Now().After(deadline) {
			return nil, err
		}
		if ended := p.pause(ctx, wait); ended != nil {
			return nil, fmt.Errorf("%w: %w", ended, err)
		}
	}
}
