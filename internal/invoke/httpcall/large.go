package httpcall

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// exchangeAny is exchange for a request whose body may be too large for memory.
func (c *conn) exchangeAny(ctx context.Context, r request) (answer, error) {
	if large := r.large(); large != nil {
		return c.exchangeRead(ctx, large, r.wants())
	}
	return c.exchange(r.body, r.wants())
}

// exchangeRead is exchange for a body that is read as it is sent. As with every large body the answer is awaited meanwhile: a handler
// may answer without having read all. If the body cannot be read to its end the connection is closed in the middle of it, so that
// the handler does not take what it has for the whole.
//
// Both ends may break: whoever is first is to blame. A reading that we ended, as nobody takes the rest, says nothing of the body.
func (c *conn) exchangeRead(ctx context.Context, body invoke.Body, w wants) (answer, error) {
	c.in.reset()
	if c.used && !c.alive() {
		return answer{}, fmt.Errorf("%w: %w", errUnsent, errStale)
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	out := &outward{nc: c.nc}
	var broken, unread error // unread: the body broke, and the handler had not
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if broken = out.send(c.out, body.Open(reading)); broken == nil {
			return
		}
		if reading.Err() == nil {
			unread = broken
		}
		_ = c.nc.Close()
	}()
	a, readErr := readAnswer(c, w)
	stop()
	if readErr != nil {
		_ = c.nc.Close()
	} else {
		_ = c.nc.SetWriteDeadline(time.Now().Add(lingering))
	}
	<-sent
	switch {
	case readErr == nil:
		a.reusable = a.reusable && broken == nil && out.err == nil
		return a, nil
	case unread != nil && !isTimeout(readErr):
		return answer{}, &invoke.Error{Code: invoke.CodeBody, Err: unread}
	case out.err != nil && out.n == 0:
		return answer{}, fmt.Errorf("%w: %w", errUnsent, withoutAddress(out.err))
	}
	return answer{}, readErr
}

// outward is the way to the handler. It tells what went wrong there from what went wrong with the body.
type outward struct {
	nc  net.Conn
	n   int64
	err error
}

// Write sends, and notes how far that came.
func (o *outward) Write(p []byte) (int, error) {
	n, err := o.nc.Write(p)
	o.n += int64(n)
	if err != nil {
		o.err = err
	}
	return n, err
}

// send sends head and body. Its error is the body's.
func (o *outward) send(head []byte, body io.Reader) error {
	if _, err := o.Write(head); err != nil {
		return nil
	}
	if _, err := io.Copy(o, body); err != nil && o.err == nil {
		return err
	}
	return nil
}
