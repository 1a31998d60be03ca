package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/testenv"
)

// TestReadiness follows /readyz while the handler comes, goes and comes back, and while NATS does.
func TestReadiness(t *testing.T) {
	t.Parallel()
	srv, q := newQueue(t)
	h := serve(t, "tcp", "127.0.0.1:0")
	h.close()
	p := start(t, "NATS_URL="+q.url, "PELTON_MANIFEST="+manifest(t), "PELTON_HANDLER_ADDRESS="+h.address)
	p.await("/readyz", http.StatusServiceUnavailable, "the handler has not been ready yet")
	h.listen()
	p.await("/readyz", http.StatusOK, "ok")
	q.publish("one")
	q.awaitAcked(1)

	h.close()
	q.publish("two")
	p.await("/readyz", http.StatusServiceUnavailable, "the handler does not listen")
	h.listen()
	p.await("/readyz", http.StatusOK, "ok")
	<-h.calls
	if r := <-h.calls; r.Header.Get("Ce-Id") != "two" || r.Header.Get("Pelton-Attempt") != "" {
		t.Errorf("called with %v, want the first attempt of two", r.Header)
	}
	q.awaitAcked(2)

	srv.Stop()
	p.await("/readyz", http.StatusServiceUnavailable, "NATS is not connected")
	srv.Restart(t)
	p.await("/readyz", http.StatusOK, "ok")
	q.publish("three")
	q.awaitAcked(3)
}

// TestReadinessFollowsTheConsumer deletes the consumer of a running sidecar and makes it again.
func TestReadinessFollowsTheConsumer(t *testing.T) {
	t.Parallel()
	_, q := newQueue(t)
	h := serve(t, "tcp", "127.0.0.1:0")
	p := start(t, "NATS_URL="+q.url, "PELTON_MANIFEST="+manifest(t), "PELTON_HANDLER_ADDRESS="+h.address)
	p.await("/readyz", http.StatusOK, "ok")
	consumer := stream.EventConsumer(function.Key{Namespace: "default", Name: "fn"})
	if err := q.js.DeleteConsumer(t.Context(), stream.EventsStream, consumer); err != nil {
		t.Fatal(err)
	}
	p.await("/readyz", http.StatusServiceUnavailable, "consumer "+consumer+" does not exist")
	fns, _ := function.Parse([]byte(manifest(t)), "test")
	if _, err := stream.EnsureFunction(t.Context(), q.js, fns[0]); err != nil {
		t.Fatal(err)
	}
	p.await("/readyz", http.StatusOK, "ok")
}

// TestNATSComesLater starts a sidecar before its server. It waits, and then makes the streams and consumers itself.
func TestNATSComesLater(t *testing.T) {
	t.Parallel()
	port := testenv.HoldPort(t)
	h := serve(t, "tcp", "127.0.0.1:0")
	p := start(t, fmt.Sprintf("NATS_URL=nats://127.0.0.1:%d", port), "PELTON_MANIFEST="+manifest(t), "PELTON_HANDLER_ADDRESS="+h.address)
	p.await("/readyz", http.StatusServiceUnavailable, "NATS has not been connected yet")
	srv := natstest.Start(t, natstest.Listen(), func(o *server.Options) { o.Port = port })
	p.await("/readyz", http.StatusOK, "ok")
	q := &queue{t: t, js: srv.JetStream(t)}
	q.publish("one")
	q.awaitAcked(1)
}

// TestNotAllowed ends a sidecar that the server refuses: waiting would change nothing, and whoever started it shall see it.
func TestNotAllowed(t *testing.T) {
	t.Parallel()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, Username: "user", Password: "secret",
		AuthTimeout: 60, // a busy machine may need longer than the 2 s it would have
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(srv.WaitForShutdown)
	t.Cleanup(srv.Shutdown)
	p := start(t, "NATS_URL="+srv.ClientURL(), "PELTON_MANIFEST="+manifest(t), "PELTON_HANDLER_ADDRESS=127.0.0.1:1")
	if exit := p.end(); exit != 1 {
		t.Errorf("exit code %d, want 1", exit)
	}
	contains(t, p.output(), "connect to NATS", "Authorization Violation")
}

// TestBadEnvironment names every problem at once and starts nothing.
func TestBadEnvironment(t *testing.T) {
	t.Parallel()
	p := start(t, "PELTON_MANIFEST=kind: Function\nspec: {handler: {protocol: smoke}}", "PELTON_DRAIN_TIMEOUT=soon",
		"PELTON_PROVISION=maybe",
		"PELTON_LOG_LEVEL=loud", "NATS_CREDS=/does/not/exist")
	if exit := p.end(); exit != 1 {
		t.Errorf("exit code %d, want 1", exit)
	}
	contains(t, p.output(), "smoke", "spec.triggers", "metadata.name", "PELTON_DRAIN_TIMEOUT", "PELTON_PROVISION",
		"PELTON_LOG_LEVEL", "/does/not/exist")
}

// TestEnvironment reads one variable after another.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "function.yaml")
	if err := os.WriteFile(file, []byte(manifest(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	two := manifest(t) + "\n---\n" + manifest(t)
	for name, c := range map[string]struct {
		env  map[string]string
		want string // in the error; "" is none
	}{
		"nothing":              {map[string]string{}, "PELTON_MANIFEST: not set"},
		"file":                 {map[string]string{"PELTON_MANIFEST_FILE": file, "PELTON_HANDLER_ADDRESS": "127.0.0.1:8080"}, ""},
		"file that is missing": {map[string]string{"PELTON_MANIFEST_FILE": file + "s"}, "PELTON_MANIFEST_FILE: open"},
		"two functions":        {map[string]string{"PELTON_MANIFEST": two}, "fn"},
		"no port":              {map[string]string{"PELTON_MANIFEST": manifest(t)}, "spec.handler.port: not set"},
		"drain timeout 0": {
			map[string]string{"PELTON_MANIFEST": manifest(t), "PELTON_DRAIN_TIMEOUT": "0s"},
			"PELTON_DRAIN_TIMEOUT",
		},
		"probes off": {map[string]string{
			"PELTON_MANIFEST_FILE": file, "PELTON_HANDLER_ADDRESS": "a:1",
			"PELTON_HEALTH_ADDRESS": "off",
		}, ""},
	} {
		s, err := readSettings(func(name string) string { return c.env[name] })
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && err == nil:
			t.Errorf("%s: no error, want %q", name, c.want)
		case c.want != "":
			contains(t, err.Error(), c.want)
		case name == "probes off" && s.health != "":
			t.Errorf("%s: probes at %q", name, s.health)
		}
	}
}
