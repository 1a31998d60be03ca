// Package probes answers those who look after a program: /livez while the process runs, /readyz while it does its work,
// /metrics for Prometheus, and what else the program shows.
//
// It answers from the first moment to the last: also while what the program needs is not there yet, and during the drain.
// What being ready means, the program says. Close ends Run.
package probes

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Config says where probes are answered and what is shown.
type Config struct {
	Address  string // "" is nowhere: all methods do nothing then
	Metrics  prometheus.Gatherer
	Waiting  string                  // why the program is not ready before ReadyWhen is called
	Handlers map[string]http.Handler // by pattern of http.ServeMux

	Logger *zap.Logger
}

// Server answers probes.
type Server struct {
	listener net.Listener
	server   *http.Server
	unready  atomic.Pointer[func() string] // why it is not ready, or ""
	over     chan struct{}                 // closed by Close
}

// Listen makes a server that listens. Nothing is answered before Run.
func Listen(cfg Config) (*Server, error) {
	s := &Server{over: make(chan struct{})}
	if cfg.Address == "" {
		return s, nil
	}
	s.ReadyWhen(func() string { return cfg.Waiting })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Metrics, promhttp.HandlerOpts{}))
	for pattern, handler := range cfg.Handlers {
		mux.Handle(pattern, handler)
	}
	l, err := net.Listen("tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for probes: %w", err)
	}
	s.listener = l
	s.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	cmp.Or(cfg.Logger, zap.NewNop()).Info("probes are answered", zap.Stringer("address", l.Addr()))
	return s, nil
}

// Address is where it listens, "" if nowhere.
func (s *Server) Address() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// ReadyWhen says how to find out whether the program does its work: unready returns why not, or "".
func (s *Server) ReadyWhen(unready func() string) { s.unready.Store(&unready) }

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if reason := (*s.unready.Load())(); reason != "" {
		http.Error(w, reason, http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// Close lets Run return: there is nothing more to tell. It is called once, also if Run never is.
func (s *Server) Close() {
	close(s.over)
	if s.server != nil {
		_ = s.server.Close()
		_ = s.listener.Close() // the server knows it only once it serves
	}
}

// Run answers until Close is called. It outlives its context on purpose: the drain is when people look.
func (s *Server) Run(context.Context) error {
	if s.server == nil {
		<-s.over
		return nil
	}
	err := s.server.Serve(s.listener)
	select {
	case <-s.over:
		return nil
	default:
		return fmt.Errorf("serve probes: %w", err)
	}
}
