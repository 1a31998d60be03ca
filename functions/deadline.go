package functions

import (
	"context"
	"sync"
	"time"
)

// deadlineContext is a context that ends at a time, or when it is canceled. It is context.WithDeadline without the price for
// those who never look: neither timer nor channel is made before somebody asks for Done.
type deadlineContext struct {
	deadline time.Time // zero: none

	mu    sync.Mutex
	done  chan struct{} // nil until it is asked for
	err   error         // set once
	timer *time.Timer   // set with done, if there is a deadline
}

var _ context.Context = (*deadlineContext)(nil)

// Deadline implements context.Context.
func (c *deadlineContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Value implements context.Context: there are none.
func (c *deadlineContext) Value(any) any { return nil }

// Done implements context.Context.
func (c *deadlineContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		switch {
		case c.err != nil:
			close(c.done)
		case !c.deadline.IsZero():
			c.timer = time.AfterFunc(time.Until(c.deadline), func() { c.end(context.DeadlineExceeded) })
		}
	}
	return c.done
}

// Err implements context.Context.
func (c *deadlineContext) Err() error {
	c.mu.Lock()
	over := c.err == nil && !c.deadline.IsZero() && !time.Now().Before(c.deadline)
	c.mu.Unlock()
	if over {
		c.end(context.DeadlineExceeded)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// end ends the context, if nothing has before.
func (c *deadlineContext) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.done != nil {
		close(c.done)
	}
}
