package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pelton-dev/pelton/internal/sidecar"
)

// health answers probes and serves metrics: /livez while the process runs, /readyz while the handler listens and NATS is
// connected, /metrics for Prometheus.
type health struct {
	listener net.Listener
	server   *http.Server
}

func newHealth(address string, sc *sidecar.Sidecar, nc *nats.Conn, registry *prometheus.Registry) (*health, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for probes (PELTON_HEALTH_ADDRESS, off = none): %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reason := unready(sc, nc); reason != "" {
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return &health{l, &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}}, nil
}

func unready(sc *sidecar.Sidecar, nc *nats.Conn) string {
	select {
	case <-sc.Ready():
	default:
		return "the handler has not been ready yet"
	}
	if sc.Paused() {
		return "the handler does not listen"
	}
	if !nc.IsConnected() {
		return "NATS is not connected"
	}
	return ""
}

// Run serves until ctx ends.
func (h *health) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = h.server.Close() })
	defer stop()
	if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve probes: %w", err)
	}
	return nil
}
