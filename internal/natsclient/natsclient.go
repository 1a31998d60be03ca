// Package natsclient makes the one connection to NATS that a server program of ours lives on.
//
// It comes back by itself, without end, also if it has not been there yet. A server that refuses the credentials at the
// start closes it for good: whoever started the program shall see that. Later they may be refused for as long as it takes
// to renew them. Publishes are not buffered while it is down: a record must fail, not be stored some time later. The
// package knows nothing of what is sent. Who dials closes.
package natsclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
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
	Creds string // NATS credentials; their inboxes are used if they have some of their own
	CA    string // PEM: who may have signed the server's certificate; "" is whom the system trusts

	CredsCheck time.Duration // how often it is looked whether they were renewed; 0 is DefaultCredsCheck

	// More options, such as nats.ClientCert: what only some programs need, only those link.
	More []nats.Option

	Logger *zap.Logger
}

// Conn is a connection that comes back by itself.
type Conn struct {
	*nats.Conn
	connected chan struct{} // closed by the first connection
	closed    chan struct{} // closed once the connection is closed for good
	refused   error         // why it was closed at the start; written before closed is closed
	log       *zap.Logger

	creds     credentials // Run's own once there is a connection
	check     time.Duration
	reconnect func() error
}

// Dial begins to connect and does not wait. An error means that trying again would change nothing.
func Dial(cfg Config) (*Conn, error) {
	c := &Conn{
		connected: make(chan struct{}), closed: make(chan struct{}), log: cmp.Or(cfg.Logger, zap.NewNop()),
		creds: credentials{path: cfg.Creds}, check: cmp.Or(cfg.CredsCheck, DefaultCredsCheck),
	}
	c.reconnect = func() error { return c.ForceReconnect() }
	options, err := c.creds.options()
	if err != nil {
		return nil, err
	}
	dialed := make(chan struct{})
	options = append(append(options, cfg.options()...), nats.CustomReconnectDelay(func(int) time.Duration {
		<-dialed
		return c.beforeNextTry()
	}))
	c.Conn, err = nats.Connect(cfg.URL, append(options, c.handlers()...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	close(dialed)
	if !c.IsConnected() {
		c.log.Warn("NATS cannot be reached yet, trying again", zap.Error(c.LastError()))
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

// Run connects anew whenever the credentials were renewed. It returns nil when ctx ends, and an error if the connection is
// closed for good before.
func (c *Conn) Run(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { c.watchCredentials(watching) })
	defer watcher.Wait()
	defer stop()
	select {
	case <-ctx.Done():
		return nil
	case <-c.closed:
		return c.lost()
	}
}

func (c *Conn) lost() error { return cmp.Or(c.refused, c.LastError(), errClosed) }

func (cfg Config) options() []nats.Option {
	options := []nats.Option{
		nats.Name(cfg.Name), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(), // or two refusals in a row would close it for good
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
	}
	if cfg.CA != "" {
		options = append(options, nats.RootCAs(cfg.CA))
	}
	return append(options, cfg.More...)
}

// beforeNextTry is called by the client when all servers have been tried in vain, and returns how long to wait. It gives up
// on a server that refuses us and never did otherwise.
func (c *Conn) beforeNextTry() time.Duration {
	if err := c.LastError(); isRefusal(err) && !c.wasConnected() {
		c.refused = err
		c.Close()
	}
	return minWait + rand.N(maxWait-minWait) // or all clients of a server that was lost would come back at once
}

// The bounds of the wait between two tries to connect.
const (
	minWait = 250 * time.Millisecond
	maxWait = time.Second
)

// Down says why there is no connection now, or "" if there is one.
func (c *Conn) Down() string {
	switch err := c.LastError(); {
	case c.IsConnected():
		return ""
	case isRefusal(err):
		return "NATS is not connected: it refuses the credentials: " + err.Error()
	default:
		return "NATS is not connected"
	}
}

// handlers are called one after another, by one goroutine of the client.
func (c *Conn) handlers() []nats.Option {
	var told trouble
	return []nats.Option{
		nats.ConnectHandler(func(*nats.Conn) { close(c.connected) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.log.Warn("connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			told = trouble{}
			c.log.Info("connection is back", zap.String("server", nc.ConnectedUrlRedacted()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if told.isNews(err, time.Now()) {
				c.log.Warn("connection in trouble", zap.Error(err))
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
	}
}

func (c *Conn) wasConnected() bool {
	select {
	case <-c.connected:
		return true
	default:
		return false
	}
}

// isRefusal reports whether the server does not want us, as we are.
func isRefusal(err error) bool {
	return slices.ContainsFunc([]error{
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
	}, func(refusal error) bool { return errors.Is(err, refusal) })
}

// trouble is what was told last. What goes on for long shall not fill the log: a refused connection is tried again and
// again.
type trouble struct {
	text string
	at   time.Time
}

// repeatTrouble is how long the same trouble is not told again.
const repeatTrouble = time.Minute

// isNews reports whether err is to be told now.
func (t *trouble) isNews(err error, now time.Time) bool {
	if err.Error() == t.text && now.Sub(t.at) < repeatTrouble {
		return false
	}
	t.text, t.at = err.Error(), now
	return true
}
