package bridge

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// Server takes events over HTTP. Make it with New, then call Run once.
type Server struct {
	cfg     Config
	log     *zap.Logger
	guard   *guard
	metrics *metrics
	conn    *nats.Conn
	js      jetstream.JetStream // for large bodies
	events  *Committer          // for events.>
	work    *Committer          // for the functions' own queues: another stream, so commits of its own
	results *Committer          // for what is known of calls whose callers ask later: the same
	routes  atomic.Pointer[routeTable]
	callers *callers // requests that wait for an answer
	waiting atomic.Int64
	courier *courier // tells receivers what became of calls
	bodies  budget
	shares  shares // of large bodies that are being sent
	limiter *limiter
	errLog  *log.Logger    // for what net/http has to say
	running sync.WaitGroup // requests being handled

	ready    chan struct{} // closed by Run once it listens
	stopping chan struct{} // closed by Run when it is to end: nobody waits any longer for what can be asked for again
	listener net.Listener  // written by Listen, before ready is closed
}

// New checks cfg and makes a Server. Nothing runs or listens yet. The error names every field at fault.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure bridge: %w", err)
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	g, err := newGuard(cfg)
	if err != nil {
		return nil, err
	}
	errLog, err := zap.NewStdLogAt(cfg.Logger, zap.WarnLevel)
	if err != nil {
		return nil, fmt.Errorf("configure bridge: logger: %w", err)
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("configure bridge: make JetStream context: %w", err)
	}
	commit := CommitterConfig{Timeout: cfg.StoreTimeout, OnCommit: m.committed}
	s := &Server{
		cfg: cfg, log: cfg.Logger, guard: g, metrics: m, conn: cfg.Conn, js: js, listener: cfg.Listener,
		events: NewCommitter(cfg.Conn, commit), work: NewCommitter(cfg.Conn, commit),
		results: NewCommitter(cfg.Conn, CommitterConfig{Timeout: cfg.StoreTimeout}),
		callers: newCallers(cfg.Conn),
		limiter: newLimiter(cfg.MaxConns, cfg.MaxConnsPerIP), ready: make(chan struct{}), stopping: make(chan struct{}), errLog: errLog,
	}
	if s.courier, err = newCourier(s); err != nil {
		return nil, err
	}
	s.bodies.max = cfg.MaxBodies
	s.routes.Store(new(routeTable))
	return s, nil
}

// Listen opens the address, so that an address in use is known before anything else starts. Run calls it if nobody has.
// It is not safe for concurrent use with itself or Run.
func (s *Server) Listen(ctx context.Context) error {
	if s.listener != nil {
		return nil
	}
	l, err := s.cfg.listen(ctx)
	if err != nil {
		return err
	}
	s.listener = l
	return nil
}

// Ready is closed once the server listens.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is where the server listens. It is nil before Listen or Ready.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Run serves until ctx ends, then drains: requests that are being handled have DrainTimeout to finish. It returns nil after
// a drain, whether everything finished in time or not, and leaves nothing running.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	deaf, err := s.callers.listen()
	if err != nil {
		return err
	}
	defer deaf()
	// Work goes on during the drain, and ends for certain after it.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	taking, leave := context.WithCancel(ctx) // of callbacks
	var committers sync.WaitGroup
	for _, c := range []*Committer{s.events, s.work, s.results} {
		committers.Go(func() { _ = c.Run(work) })
	}
	committers.Go(func() { s.courier.run(taking, work) })
	defer committers.Wait()
	defer stop()
	defer leave()

	srv := s.httpServer(work)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(limitListener{s.listener, s.limiter, s.cfg.TLS}) }()
	close(s.ready)
	select {
	case err := <-served:
		_ = srv.Close()
		stop()
		s.running.Wait()
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	close(s.stopping)
	s.drain(work, srv)
	stop()
	s.running.Wait()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http: %w", err)
	}
	return nil
}

// drain stops accepting and waits for running requests. Connections without one are closed at once.
func (s *Server) drain(ctx context.Context, srv *http.Server) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	s.limiter.shutDown()
	if err := srv.Shutdown(ctx); err != nil {
		s.log.Warn("requests cut at shutdown", zap.Error(err))
		_ = srv.Close()
	}
}

func (s *Server) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:                      http.HandlerFunc(s.serveHTTP),
		ReadHeaderTimeout:            s.cfg.HeaderTimeout,
		ReadTimeout:                  s.cfg.ReadTimeout,
		WriteTimeout:                 s.cfg.WriteTimeout,
		IdleTimeout:                  s.cfg.IdleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // answers "OPTIONS *" without asking for a token
		ErrorLog:                     s.errLog,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ConnContext:                  withConn,
	}
}
