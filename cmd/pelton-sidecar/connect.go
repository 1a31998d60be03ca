package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

var errClosed = errors.New("the connection is closed for good")

// connection is the one to NATS. It comes back by itself, except where trying again makes no sense: then closed is closed.
type connection struct {
	*nats.Conn
	closed chan struct{}
}

// connect dials NATS and waits for the first connection; from then on it reconnects without end. Publishes are not buffered
// while it is down: a record must fail, not be stored some time later.
func connect(ctx context.Context, s settings, log *zap.Logger) (*connection, error) {
	connected := make(chan struct{}, 1)
	c := &connection{closed: make(chan struct{})}
	options := []nats.Option{
		nats.Name("pelton-sidecar " + s.function.Key().String() + " " + s.replica),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(*nats.Conn) { connected <- struct{}{} }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("connection is back", zap.String("server", nc.ConnectedUrlRedacted()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("connection in trouble", zap.Error(err))
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
	}
	if s.creds != "" {
		options = append(options, nats.UserCredentials(s.creds))
	}
	nc, err := nats.Connect(s.natsURL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	c.Conn = nc
	if !nc.IsConnected() {
		log.Warn("NATS cannot be reached yet, trying again", zap.Error(nc.LastError()))
	}
	select {
	case <-connected:
		return c, nil
	case <-c.closed:
		return nil, fmt.Errorf("connect to NATS: %w", c.lost())
	case <-ctx.Done():
		nc.Close()
		return nil, fmt.Errorf("connect to NATS: %w", ctx.Err())
	}
}

// Run returns nil when ctx ends, and an error if the connection is closed for good before.
func (c *connection) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-c.closed:
		return c.lost()
	}
}

func (c *connection) lost() error {
	if err := c.LastError(); err != nil {
		return err
	}
	return errClosed
}
