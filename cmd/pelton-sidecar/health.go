package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// health answers probes and serves metrics: /livez while the process runs, /readyz while events are delivered, /metrics for
// Prometheus. It answers from the first moment to the last: also while NATS is not there yet, and during the drain.
type health struct {
	listener net.Listener
	server   *http.Server
	unready  atomic.Pointer[func() string] // why it is not ready, or ""
	over     chan struct{}                 // closed by close
}

// newHealth listens. Without an address there are no probes, and all methods do nothing.
func newHealth(address string, registry *prometheus.Registry, log *zap.Logger) (*health, error) {
	h := &health{over: make(chan struct{})}
	if address == "" {
		return h, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for probes (PELTON_HEALTH_ADDRESS, off = none): %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	h.listener = l
	h.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	log.Info("probes are answered", zap.Stringer("address", l.Addr()))
	return h, nil
}

// readyWhen says how to find out whether events are delivered: unready returns why not.
func (h *health) readyWhen(unready func() string) { h.unready.Store(&unready) }

func (h *health) readyz(w http.ResponseWriter, _ *http.Request) {
	reason := "NATS has not been connected yet"
	if unready := h.unready.Load(); unready != nil {
		reason = (*unready)()
	}
	if reason != "" {
		http.Error(w, reason, http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// close lets Run return. The drain is over then.
func (h *health) close() { close(h.over) }

// Run serves until close is called.
func (h *health) Run(context.Context) error {
	if h.server == nil {
		<-h.over
		return nil
	}
	go func() {
		<-h.over
		_ = h.server.Close()
	}()
	if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve probes: %w", err)
	}
	return nil
}
