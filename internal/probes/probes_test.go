package probes_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pelton-dev/pelton/internal/probes"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestProbes follows a server from the first answer to the last.
func TestProbes(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "pelton_test_total", Help: "For a test."}))
	s, err := probes.Listen(probes.Config{
		Address: "127.0.0.1:0", Metrics: registry, Waiting: "not yet",
		Handlers: map[string]http.Handler{"GET /more": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintln(w, "more")
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }()
	get := func(path string, status int, part string) {
		t.Helper()
		res, err := http.Get("http://" + s.Address() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != status || !strings.Contains(string(body), part) {
			t.Errorf("%s: %d %s, want %d %s", path, res.StatusCode, body, status, part)
		}
	}
	get("/livez", http.StatusOK, "ok")
	get("/readyz", http.StatusServiceUnavailable, "not yet")
	get("/metrics", http.StatusOK, "pelton_test_total 0")
	get("/more", http.StatusOK, "more")
	reason := "broken"
	s.ReadyWhen(func() string { return reason })
	get("/readyz", http.StatusServiceUnavailable, "broken")
	reason = ""
	get("/readyz", http.StatusOK, "ok")
	s.Close()
	if err := waittest.Receive(t, done); err != nil {
		t.Errorf("run: %v", err)
	}
}

// TestNowhere runs a server without an address, and one that is closed before it runs.
func TestNowhere(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "127.0.0.1:0"} {
		s, err := probes.Listen(probes.Config{Address: address, Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if err := s.Run(t.Context()); err != nil {
			t.Errorf("address %q: %v", address, err)
		}
		if (s.Address() == "") != (address == "") {
			t.Errorf("address %q: listens at %q", address, s.Address())
		}
	}
}

// TestTaken fails at an address that another server has.
func TestTaken(t *testing.T) {
	t.Parallel()
	first, err := probes.Listen(probes.Config{Address: "127.0.0.1:0", Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := probes.Listen(probes.Config{Address: first.Address(), Metrics: prometheus.NewRegistry()}); err == nil {
		t.Error("two servers listen at one address")
	}
}
