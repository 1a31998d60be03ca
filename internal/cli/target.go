package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const connectTimeout = 3 * time.Second

// target is the NATS server that a command works on.
type target struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	url   string
	state *upState // of the running pelton up; nil if the server was named
}

func (t *target) close() { t.nc.Close() }

// connect finds the server and connects: --nats, then a running pelton up, then $NATS_URL.
func (a *app) connect(ctx context.Context) (*target, error) {
	t := &target{url: a.natsURL}
	if t.url == "" {
		state, err := a.findState()
		if err != nil {
			return nil, err
		}
		if state != nil {
			t.state, t.url = state, state.NATSURL
		} else {
			t.url = a.getenv("NATS_URL")
		}
	}
	if t.url == "" {
		return nil, &Error{
			Exit: ExitUnreachable, Message: "no pelton up runs here, and no NATS server is named",
			Hint: "start it with `pelton up`, run this in its folder, or name the server with --nats",
		}
	}
	return t, a.open(ctx, t)
}

// connectNamed connects to the server that was named, and never to that of a pelton up, which has its functions from
// manifests of its own.
func (a *app) connectNamed(ctx context.Context) (*target, error) {
	t := &target{url: cmp.Or(a.natsURL, a.getenv("NATS_URL"))}
	if t.url == "" {
		return nil, usage("--nats URL, or $NATS_URL; pelton up provisions its functions by itself", "which NATS server?")
	}
	return t, a.open(ctx, t)
}

// open connects. A server that was named may want credentials.
func (a *app) open(ctx context.Context, t *target) error {
	var auth credentials
	if t.state == nil {
		var err error
		if auth, err = a.natsCredentials(); err != nil {
			return err
		}
	}
	return t.dial(ctx, auth.options()...)
}

func unreachable(message string, cause error, hint string) error {
	return &Error{Exit: ExitUnreachable, Message: message, Cause: cause, Hint: hint}
}

func (t *target) dial(ctx context.Context, options ...nats.Option) error {
	options = append(append(connOptions("pelton cli"), nats.Timeout(connectTimeout)), options...)
	nc, err := nats.Connect(t.url, options...)
	if errors.Is(err, nats.ErrAuthorization) {
		return unreachable("NATS at "+t.url+" refuses the credentials", err, "--creds FILE, or $NATS_CREDS")
	}
	if err != nil {
		return unreachable("cannot reach NATS at "+t.url, err, "check that the server runs and the address is right")
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(5*time.Second))
	if err == nil {
		_, err = js.AccountInfo(ctx)
	}
	if err != nil {
		nc.Close()
		return unreachable("JetStream does not answer at "+t.url, err, "start the server with JetStream: nats-server --jetstream")
	}
	t.nc, t.js = nc, js
	return nil
}

// connOptions are those of every connection of ours. Nothing is buffered while the server is away: a publish then fails at
// once, instead of being reported as failed and stored later all the same. A server that has gone without a word is noticed in
// half a minute.
func connOptions(name string) []nats.Option {
	return []nats.Option{
		nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.IgnoreAuthErrorAbort(),                                       // they may be refused until they are renewed
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // the default prints to stderr
	}
}

// explain gives errors of the server and of waiting their exit code.
func explain(message string, err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return &Error{Exit: ExitTimeout, Message: message, Cause: err}
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrNoServers),
		errors.Is(err, nats.ErrReconnectBufExceeded):
		return &Error{Exit: ExitUnreachable, Message: message, Cause: err}
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, nats.ErrNoResponders),
		errors.Is(err, jetstream.ErrNoStreamResponse):
		return &Error{Exit: ExitNotFound, Message: message, Cause: err, Hint: "start `pelton up`: it makes the streams"}
	default:
		return fmt.Errorf("%s: %w", message, err)
	}
}
