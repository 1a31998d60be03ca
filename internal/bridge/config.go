package bridge

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/access"
	"github.com/pelton-dev/pelton/internal/result"
)

// The limits of a Server whose Config leaves them zero. What the stream and the NATS server take of an event may be less than
// the body limit: then an event that is larger is refused by its own size.
const (
	DefaultMaxBody       = 1 << 20
	DefaultMaxBodies     = 64 << 20
	DefaultMaxBatch      = 100
	DefaultMaxConns      = 1024
	DefaultMaxConnsPerIP = 64
	DefaultHeaderTimeout = 5 * time.Second
	DefaultReadTimeout   = 15 * time.Second
	DefaultWriteTimeout  = 30 * time.Second
	DefaultIdleTimeout   = 60 * time.Second
	DefaultStoreTimeout  = 2500 * time.Millisecond
	DefaultDrainTimeout  = 5 * time.Second
	DefaultKeepResults   = result.DefaultKeep

	maxHeaderBytes  = 16 << 10
	maxHeaderFields = 100
)

// minToken is the fewest characters a token may have: 16 random bytes in base64.
const minToken = 16

// Config is what a Server needs. Conn, and one of Address and Listener, must be set.
type Config struct {
	// Conn publishes the events. It must be made with nats.ReconnectBufSize(-1), so that nothing that was answered with
	// an error is stored later.
	Conn *nats.Conn

	Address  string       // host:port to listen on; not used if Listener is set
	Listener net.Listener // taken over: Run closes it

	Token          string       // whoever sends it as a bearer token may do everything
	Access         *access.Gate // further callers, and what they may; who runs it is not the Server
	Insecure       bool         // serve beyond loopback although nobody is asked who he is
	TLS            *tls.Config  // nil is plain HTTP
	Hosts          []string     // allowed in the Host header besides localhost, 127.0.0.1 and [::1]; "*" allows every host
	TrustedOrigins []string     // scheme://host of web pages that may send events
	TrustForwarded bool         // X-Forwarded-* and Forwarded of callers are a proxy's word, and passed on to handlers

	// Handlers are further pages, such as a dashboard, behind the same Host, origin and token checks. A key is a path; if
	// it ends in / everything below it is meant. Those of Public need no token.
	Handlers, Public map[string]http.Handler

	Logger  *zap.Logger           // nil logs nothing
	Metrics prometheus.Registerer // nil registers none

	MaxBody       int64 // bytes of a request body
	MaxBodies     int64 // bytes of memory that request bodies have together
	MaxMessage    int64 // bytes of an event, attributes included, that the streams take; default: as the server takes
	MaxBatch      int   // events in one batch request
	MaxConns      int   // open connections; at most half of them may wait for answers of functions
	MaxConnsPerIP int   // of one address, loopback excepted; -1 is no limit

	HeaderTimeout time.Duration // to receive the header
	ReadTimeout   time.Duration // to receive the whole request
	WriteTimeout  time.Duration // from header to the end of the answer
	IdleTimeout   time.Duration // between requests
	StoreTimeout  time.Duration // from the whole request to the stream's acknowledgement
	DrainTimeout  time.Duration // for running requests when Run ends

	sender sender // of callbacks; nil is the one that reaches only the public Internet

	KeepResults time.Duration // how long it is known what became of a call whose caller asks later: two minutes to a week
}

func (c Config) withDefaults() Config {
	setDefault(&c.MaxBody, DefaultMaxBody)
	setDefault(&c.MaxBodies, DefaultMaxBodies)
	setDefault(&c.MaxBatch, DefaultMaxBatch)
	setDefault(&c.MaxConns, DefaultMaxConns)
	setDefault(&c.MaxConnsPerIP, DefaultMaxConnsPerIP)
	setDefault(&c.HeaderTimeout, DefaultHeaderTimeout)
	setDefault(&c.ReadTimeout, DefaultReadTimeout)
	setDefault(&c.WriteTimeout, DefaultWriteTimeout)
	setDefault(&c.IdleTimeout, DefaultIdleTimeout)
	setDefault(&c.StoreTimeout, DefaultStoreTimeout)
	setDefault(&c.DrainTimeout, DefaultDrainTimeout)
	setDefault(&c.KeepResults, DefaultKeepResults)
	c.Logger = cmp.Or(c.Logger, zap.NewNop())
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) validate() error {
	var errs []error
	if c.Conn == nil {
		errs = append(errs, errors.New("conn: is missing"))
	} else if c.Conn.Opts.ReconnectBufSize >= 0 {
		errs = append(errs, errors.New("conn: it keeps events it cannot send: make it with nats.ReconnectBufSize(-1)"))
	}
	if (c.Address == "") == (c.Listener == nil) {
		errs = append(errs, errors.New("address: want either it or a listener"))
	}
	if c.Listener != nil && !c.mayServe(c.Listener.Addr()) {
		errs = append(errs, fmt.Errorf("listener: %w", ErrTokenRequired))
	}
	if c.MaxBodies < 4*c.MaxBody {
		errs = append(errs, fmt.Errorf("max bodies: %d bytes: want at least 4 times the %d of one body", c.MaxBodies, c.MaxBody))
	}
	if c.KeepResults < result.MinKeep || c.KeepResults > result.MaxKeep {
		errs = append(errs, fmt.Errorf("keep results: %s: want %s to %s, as a call that is sent again within %[2]s is the same call",
			c.KeepResults, result.MinKeep, result.MaxKeep))
	}
	if c.Token != "" && (len(c.Token) < minToken || strings.ContainsFunc(c.Token, notVisible)) {
		errs = append(errs, fmt.Errorf("token: want at least %d visible ASCII characters", minToken))
	}
	for path := range c.Handlers {
		errs = append(errs, checkMount(path))
		if c.Public[path] != nil {
			errs = append(errs, fmt.Errorf("handlers: %s is in public too", path))
		}
	}
	for path := range c.Public {
		errs = append(errs, checkMount(path))
	}
	for _, origin := range c.TrustedOrigins {
		if u, err := url.Parse(origin); err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" {
			errs = append(errs, fmt.Errorf("trusted origins: %q: want scheme://host", origin))
		}
	}
	return errors.Join(errs...)
}

// asks reports whether callers must show who they are.
func (c Config) asks() bool { return c.Token != "" || c.Access != nil && c.Access.Asks() }

// mayServe reports whether an address may be served: one that others reach must ask, or be meant not to.
func (c Config) mayServe(a net.Addr) bool { return loopback(a) || c.asks() || c.Insecure }

func notVisible(r rune) bool { return r < '!' || r > '~' }

func checkMount(path string) error {
	if !strings.HasPrefix(path, "/") || isEventsPath(strings.TrimSuffix(path, "/")) {
		return fmt.Errorf("handlers: %q: want a path that is not below %s", path, eventsPath)
	}
	return nil
}
