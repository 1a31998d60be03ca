// Package httpcall calls a handler that is an HTTP/1.1 server, over TCP or a unix socket: one CloudEvent per POST /, the
// answer's status is the outcome. It serves the protocols cloudevents and http.
//
// The client is our own because net/http is the bottleneck of an instant handler: one kept-alive connection per running
// call, one write per request, one reused buffer per connection, and no header maps. It knows nothing of retries: a
// request is sent a second time only when certainly nothing of it was delivered. No goroutine runs between calls; Close
// closes every connection and waits until the calls have returned.
package httpcall

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/pelton-dev/pelton/internal/invoke"
)

var _ invoke.Invoker = (*Invoker)(nil)

// DefaultMaxIdle is how many connections are kept open between calls.
const DefaultMaxIdle = 256

// Config says where the handler listens and what its answers may be.
type Config struct {
	Network string // tcp (default) or unix
	Address string // host:port, or the path of the socket

	// Plain is the protocol http, for web applications that know nothing of events: the data and its content type, and of
	// the attributes only id, source and type. Without it every attribute is sent, in the binary mode of CloudEvents.
	Plain bool

	MaxResponse int // bytes of one answer's body; default invoke.DefaultMaxResponse
	MaxIdle     int // connections kept between calls, best the handler's concurrency; default DefaultMaxIdle
}

func (c *Config) setDefaults() {
	if c.Network == "" {
		c.Network = "tcp"
	}
	c.MaxResponse = cmp.Or(c.MaxResponse, invoke.DefaultMaxResponse)
	c.MaxIdle = cmp.Or(c.MaxIdle, DefaultMaxIdle)
}

func (c *Config) validate() error {
	var errs []error
	if c.Network != "tcp" && c.Network != "unix" {
		errs = append(errs, fmt.Errorf("network %q: want tcp or unix", c.Network))
	}
	if c.Address == "" {
		errs = append(errs, errors.New("address: must be set"))
	}
	if c.MaxResponse < 0 {
		errs = append(errs, fmt.Errorf("max response %d: must not be negative", c.MaxResponse))
	}
	if c.MaxIdle < 0 {
		errs = append(errs, fmt.Errorf("max idle %d: must not be negative", c.MaxIdle))
	}
	return errors.Join(errs...)
}

// Invoker calls one HTTP handler.
type Invoker struct {
	cfg   Config
	start []byte // request line and the fields that are the same in every request
	pool  *pool
}

// New returns an invoker for the handler at cfg.Address. It does not connect.
func New(cfg Config) (*Invoker, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure http invoker: %w", err)
	}
	return &Invoker{cfg: cfg, start: requestStart(cfg), pool: newPool(cfg)}, nil
}

// Invoke posts one event and reads the answer.
//
// The status of an error answer is the handler's word and stands even if its body, which is only the reason, breaks off
// or is too long.
func (i *Invoker) Invoke(ctx context.Context, call *invoke.Call) (invoke.Outcome, error) {
	if err := i.pool.enter(); err != nil {
		return invoke.Outcome{}, invoke.NotReady(err)
	}
	defer i.pool.leave()
	if err := invoke.Begin(ctx, call); err != nil {
		return invoke.Outcome{}, err
	}
	a, err := i.roundTrip(ctx, request{
		call: call, body: call.Event.Data, deadline: call.Deadline, max: i.cfg.MaxResponse, isHead: i.cfg.Plain && isHead(call),
	})
	if err != nil || call.Answer != nil {
		return invoke.Outcome{}, err
	}
	return a.outcome()
}

// roundTrip sends a request, and again if certainly nothing of it was delivered.
func (i *Invoker) roundTrip(ctx context.Context, r request) (answer, error) {
	for {
		c, dialed, err := i.pool.get(ctx, r.deadline)
		if err != nil {
			return answer{}, invoke.NotReady(err)
		}
		a, err := i.callOn(ctx, c, r)
		if !errors.Is(err, errUnsent) {
			return a, err
		}
		if dialed || ctx.Err() != nil {
			return answer{}, invoke.NotReady(err)
		}
	}
}

// callOn makes the call on one connection, which goes back to the pool or is closed.
func (i *Invoker) callOn(ctx context.Context, c *conn, r request) (answer, error) {
	if ctx.Err() != nil { // its interrupt may have come before the deadline was set
		i.pool.put(c)
		return answer{}, fmt.Errorf("%w: %w", errUnsent, ctx.Err())
	}
	c.out = i.appendRequest(c.out[:0], r)
	a, err := c.exchangeAny(ctx, r)
	if err != nil || !a.reusable || ctx.Err() != nil {
		i.pool.discard(c)
	} else {
		i.pool.put(c)
	}
	if err != nil {
		return answer{}, i.failure(ctx, err)
	}
	return a, nil
}

// failure gives an error of an exchange its code.
func (i *Invoker) failure(ctx context.Context, err error) error {
	var e *invoke.Error
	switch {
	case errors.Is(err, errUnsent), errors.As(err, &e):
		return err
	case i.pool.isClosed():
		return &invoke.Error{Code: invoke.CodeCanceled, Err: invoke.ErrClosed}
	case ctx.Err() != nil:
		return invoke.Interrupted(ctx)
	case isTimeout(err):
		return &invoke.Error{Code: invoke.CodeTimeout, Err: context.DeadlineExceeded}
	default:
		return &invoke.Error{Code: invoke.CodeCrash, Err: fmt.Errorf("read answer: %w", withoutAddress(err))}
	}
}

// Close cuts running calls, closes every connection and waits until the calls have returned.
func (i *Invoker) Close() error {
	i.pool.close()
	return nil
}
