// Package natsclient makes the one connection to NATS that a server program of ours lives on.
//
// It comes back by itself, without end, also if it has not been there yet; it is closed for good only by Close or where trying
// again makes no sense: the server refuses the credentials. Publishes are not buffered while it is down: a record must fail,
// not be stored some time later. The package knows nothing of what is sent. Who dials closes.
package natsclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

var errClosed = errors.New("the connection is closed for good")

// Config says where the server is and who asks.
type Config struct {
	URL  string // the server, or several separated by commas
	Name string // what the server calls this connection

	// Paths of files, "" is none. They are read again at every connection.
	Creds string // NATS credentials
	CA    string // PEM: who may have signed the server's certificate; "" is whom the system trusts

	// More options, such as nats.ClientCert: what only some programs need, only those link.
	More []nats.Option

	Logger *zap.Logger
}

// Conn is a connection that comes back by itself.
type Conn struct {
	*nats.Conn
	connected chan struct{} // closed by the first connection
	closed    chan struct{} // closed once the connection is closed for good
}

// Dial begins to connect and does not wait. An error means that trying again would change nothing.
func Dial(cfg Config) (*Conn, error) {
	c := &Conn{connected: make(chan struct{}), closed: make(chan struct{})}
	log := cmp.Or(cfg.Logger, zap.NewNop())
	var err error
	c.Conn, err = nats.Connect(cfg.URL, append(cfg.options(), c.handlers(log)...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	if !c.IsConnected() {
		log.Warn("NATS cannot be reached yet, trying again", zap.Error(c.LastError()))
	}
	return c, nil
}

// Connect dials and waits for the first connection.
func Connect(ctx context.Context, cfg Config) (*Conn, error) {
	c, err := Dial(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.Await(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Await waits for the first connection.
func (c *Conn) Await(ctx context.Context) error {
	select {
	case <-c.connected:
		return nil
	case <-c.closed:
		return fmt.Errorf("connect to NATS: %w", c.lost())
	case <-ctx.Done():
		return fmt.Errorf("connect to NATS: %w", ctx.Err())
	}
}

// Run returns nil when ctx ends, and an error if the connection is closed for good before.
func (c *Conn) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-c.closed:
		return c.lost()
	}
}

func (c *Conn) lost() error { return cmp.Or(c.LastError(), errClosed) }

func (cfg Config) options() []nats.Option {
	options := []nats.Option{
		nats.Name(cfg.Name), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
	}
	if cfg.Creds != "" {
		options = append(options, nats.UserCredentials(cfg.Creds))
	}
	if cfg.CA != "" {
		options = append(options, nats.RootCAs(cfg.CA))
	}
	return append(options, cfg.More...)
}

func (c *Conn) handlers(log *zap.Logger) []nats.Option {
	return []nats.Option{
		nats.ConnectHandler(func(*nats.Conn) { close(c.connected) }),
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
}
