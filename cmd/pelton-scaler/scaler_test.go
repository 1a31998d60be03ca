package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/certs/certstest"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestServes asks a scaler the way KEDA does, and follows its health while NATS goes and comes back.
func TestServes(t *testing.T) {
	t.Parallel()
	srv, js := newQueue(t)
	p := start(t, "NATS_URL="+srv.URL())
	p.await("/readyz", http.StatusOK, "ok")
	c := p.dial(nil)
	c.awaitHealth(healthpb.HealthCheckResponse_SERVING)
	c.awaitActive(false)
	publish(t, js)
	c.awaitActive(true)

	srv.Stop()
	p.await("/readyz", http.StatusServiceUnavailable, "NATS is not connected")
	p.await("/livez", http.StatusOK, "ok")
	c.awaitHealth(healthpb.HealthCheckResponse_NOT_SERVING)
	waittest.Eventually(t, func() error {
		res, err := c.keda.GetMetrics(t.Context(), metrics)
		if status.Code(err) != codes.Unavailable {
			return fmt.Errorf("without NATS: %v, %w", res, err)
		}
		return nil
	})
	p.await("/metrics", http.StatusOK, "\npelton_scaler_ready 0")
	srv.Restart(t)
	p.await("/readyz", http.StatusOK, "ok")
	c.awaitHealth(healthpb.HealthCheckResponse_SERVING)
	c.awaitActive(true)
	p.await("/metrics", http.StatusOK,
		`pelton_rpc_calls_total{code="Unavailable",method="/externalscaler.ExternalScaler/GetMetrics"}`)
	p.await("/metrics", http.StatusOK, "\npelton_scaler_sources 1")
}

// TestNATSComesLater starts a scaler before its server: it serves, and says that it does not know.
func TestNATSComesLater(t *testing.T) {
	t.Parallel()
	port := testenv.HoldPort(t)
	p := start(t, fmt.Sprintf("NATS_URL=nats://127.0.0.1:%d", port))
	c := p.dial(nil)
	p.await("/readyz", http.StatusServiceUnavailable, "NATS is not connected")
	c.awaitHealth(healthpb.HealthCheckResponse_NOT_SERVING)
	if res, err := c.keda.IsActive(t.Context(), object); status.Code(err) != codes.Unavailable {
		t.Errorf("before NATS: %v, %v", res, err)
	}
	_, js := newQueue(t, func(o *server.Options) { o.Port = port })
	publish(t, js)
	p.await("/readyz", http.StatusOK, "ok")
	c.awaitActive(true)
}

// TestDecisions reads over HTTP why a ScaledObject was answered so.
func TestDecisions(t *testing.T) {
	t.Parallel()
	srv, js := newQueue(t)
	publish(t, js)
	p := start(t, "NATS_URL="+srv.URL())
	p.dial(nil).awaitActive(true)
	for _, path := range []string{"/decisions", "/decisions/default/worker"} {
		code, body := p.get(path)
		if code != http.StatusOK || !json.Valid([]byte(body)) || !strings.Contains(body, "worker") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, body := p.get("/decisions/default/other"); code != http.StatusNotFound || !strings.Contains(body, "default/other") {
		t.Errorf("an object that nobody knows: %d %s", code, body)
	}
	closed := start(t, "NATS_URL="+srv.URL(), "PELTON_DECISIONS=none")
	if code, body := closed.get("/decisions"); code != http.StatusForbidden || !strings.Contains(body, "PELTON_DECISIONS") {
		t.Errorf("decisions for nobody: %d %s", code, body)
	}
}

// TestStop ends a scaler that has streams open: they end as KEDA wants it, also the one that watches the health.
func TestStop(t *testing.T) {
	t.Parallel()
	srv, js := newQueue(t)
	publish(t, js)
	p := start(t, "NATS_URL="+srv.URL(), "PELTON_DRAIN_TIMEOUT=1h")
	p.await("/readyz", http.StatusOK, "ok")
	c := p.dial(nil)
	c.awaitActive(true)
	pushed, active := c.push()
	if !active {
		t.Error("the stream says that nothing waits")
	}
	watch, err := c.health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.await("/metrics", http.StatusOK, `pelton_rpc_open_streams{method="/externalscaler.ExternalScaler/StreamIsActive"} 1`)
	p.signal(syscall.SIGTERM)
	for err == nil {
		_, err = pushed.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v, want a clean end", err)
	}
	for err = nil; err == nil; {
		_, err = watch.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the watch ended with %v, want a clean end", err)
	}
	if exit := p.end(); exit != 0 {
		t.Errorf("exit code %d, want 0", exit)
	}
}

// TestStopWithoutNATS ends a scaler that waits for its server.
func TestStopWithoutNATS(t *testing.T) {
	t.Parallel()
	p := start(t, "NATS_URL=nats://127.0.0.1:1")
	p.await("/readyz", http.StatusServiceUnavailable, "NATS is not connected")
	p.signal(syscall.SIGTERM)
	if exit := p.end(); exit != 0 {
		t.Errorf("exit code %d, want 0", exit)
	}
}

// TestTLS lets in clients of the authority alone, and follows the files with a stream open.
func TestTLS(t *testing.T) {
	t.Parallel()
	srv, js := newQueue(t)
	publish(t, js)
	ca, other, dir := certstest.NewCA(t), certstest.NewCA(t), t.TempDir()
	ca.Server(dir, "one")
	p := start(t, "NATS_URL="+srv.URL(), "PELTON_TLS_DIR="+dir)
	c := p.dial(ca.Client(ca))
	c.awaitActive(true)
	pushed, _ := c.push()
	for name, refused := range map[string]*client{
		"no certificate": p.dial(ca.Client(nil)), "another authority's": p.dial(ca.Client(other)), "no TLS": p.dial(nil),
	} {
		if res, err := refused.keda.IsActive(t.Context(), object); status.Code(err) != codes.Unavailable {
			t.Errorf("client with %s: %v, %v", name, res, err)
		}
	}

	certstest.Write(t, dir, map[string][]byte{"tls.crt": []byte("nonsense")})
	p.await("/metrics", http.StatusOK, "\npelton_tls_broken 1")
	if !strings.Contains(p.output(), "certificates on disk cannot be used") {
		t.Error("the log does not tell of the broken files")
	}
	p.dial(ca.Client(ca)).awaitActive(true)

	other.Server(dir, "two")
	p.await("/metrics", http.StatusOK, "\npelton_tls_broken 0")
	p.dial(other.Client(other)).awaitActive(true)
	if _, err := pushed.Recv(); err != nil { // it repeats itself while nobody takes the message
		t.Errorf("the stream from before: %v", err)
	}
}

// TestRefusesToStart names what is wrong and ends.
func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	refusing, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, Username: "user", Password: "secret",
		AuthTimeout: 60, // a busy machine may need longer than the 2 s it would have
	})
	if err != nil {
		t.Fatal(err)
	}
	refusing.Start()
	t.Cleanup(refusing.WaitForShutdown)
	t.Cleanup(refusing.Shutdown)
	for want, env := range map[string]string{
		"anyone who reaches the port":                        "PELTON_SCALER_ADDRESS=:0",
		"PELTON_TLS_DIR: read certificates in":               "PELTON_TLS_DIR=" + t.TempDir(),
		"PELTON_SCALER_ADDRESS: listen for gRPC":             "PELTON_SCALER_ADDRESS=" + taken.Addr().String(),
		"PELTON_HEALTH_ADDRESS (off = none): listen for":     "PELTON_HEALTH_ADDRESS=" + taken.Addr().String(),
		"NATS: nats: Authorization Violation":                "NATS_URL=" + refusing.ClientURL(),
		"PELTON_LOG_LEVEL: \"loud\" is none of debug, info,": "PELTON_LOG_LEVEL=loud",
	} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			p := start(t, env)
			if exit := p.end(); exit != 1 {
				t.Errorf("exit code %d, want 1", exit)
			}
			if !strings.Contains(p.output(), want) {
				t.Errorf("it does not say %q", want)
			}
		})
	}
}

// TestInsecureSaysSo serves beyond loopback because it was told to, with a warning.
func TestInsecureSaysSo(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	p := start(t, "NATS_URL="+srv.URL(), "PELTON_SCALER_ADDRESS=:0", "PELTON_INSECURE=true")
	p.await("/readyz", http.StatusOK, "ok")
	if !strings.Contains(p.output(), "anyone who reaches the port can read the depth of any queue") {
		t.Error("no warning")
	}
}
