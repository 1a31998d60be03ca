package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/certs/certstest"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const token = "shop-0123456789abcdef"

func tokens(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("shop "+token), 0o600); err != nil {
		t.Fatal(err)
	}
	return "PELTON_TOKENS=" + path
}

// webFunction has an HTTP trigger for a path.
func webFunction(namespace, name, path string) *function.Function {
	fn := &function.Function{Metadata: function.Metadata{Namespace: namespace, Name: name}}
	fn.Spec.Triggers = []function.Trigger{{HTTP: &function.HTTPTrigger{Path: path, Methods: []string{http.MethodPost}}}}
	return fn
}

func provision(t *testing.T, srv *natstest.Server) jetstream.JetStream {
	t.Helper()
	js := srv.JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	if err := catalog.Ensure(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	return js
}

func put(t *testing.T, js jetstream.JetStream, fns ...*function.Function) {
	t.Helper()
	for _, fn := range fns {
		if err := catalog.Put(t.Context(), js, fn); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *process) await(path string, want int, header ...string) {
	p.t.Helper()
	waittest.Eventually(p.t, func() error {
		if status, text := p.post(path, token, header...); status != want {
			return fmt.Errorf("%s: %d %s, want %d", path, status, text, want)
		}
		return nil
	})
}

// awaitOwner waits until a path is that of the function NAMESPACE.NAME.
func (p *process) awaitOwner(path, want string) {
	p.t.Helper()
	waittest.Eventually(p.t, func() error {
		if _, text := p.post(path, token); !strings.Contains(text, "pelton.work."+want+".http") {
			return fmt.Errorf("%s: %s, want function %s", path, text, want)
		}
		return nil
	})
}

// TestBridge starts before there is anything, follows the functions of the catalog, and ends cleanly.
func TestBridge(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	js := provision(t, srv)
	put(t, js, webFunction("a", "tasks", "/tasks"))
	p := start(t, "NATS_URL="+srv.URL(), tokens(t))
	p.awaitReady()
	p.await("/events/orders.created", http.StatusAccepted)
	p.await("/tasks", http.StatusAccepted)
	if status, text := p.post("/tasks", "wrong-0123456789abcdef"); status != http.StatusUnauthorized {
		t.Errorf("another token: %d %s", status, text)
	}
	put(t, js, webFunction("b", "late", "/late"), webFunction("b", "thief", "/tasks"))
	p.await("/late", http.StatusAccepted)
	if err := catalog.Remove(t.Context(), js, function.Key{Namespace: "b", Name: "late"}); err != nil {
		t.Fatal(err)
	}
	p.await("/late", http.StatusNotFound)
	hook := webFunction("b", "hook", "/hook")
	hook.Spec.Triggers[0].HTTP.Webhook = &function.Webhook{
		Scheme: function.SchemeGitHub, SecretFrom: []function.SecretSource{{SecretKeyRef: function.KeyRef{Name: "github", Key: "secret"}}},
	}
	put(t, js, hook)
	p.await("/hook", http.StatusUnauthorized)
	p.await("/hook", http.StatusServiceUnavailable, // its secret is not there
		"X-Hub-Signature-256", "sha256=00", "X-GitHub-Delivery", "1", "X-GitHub-Event", "push")
	if err := catalog.Remove(t.Context(), js, hook.Key()); err != nil {
		t.Fatal(err)
	}
	p.await("/hook", http.StatusNotFound)
	_, metrics := p.health("/metrics")
	for _, want := range []string{
		"pelton_bridge_routes 1", "pelton_bridge_routes_refused 1", `pelton_access_refused_total{reason="bad-token"} 1`,
		`pelton_bridge_requests_total{code="401"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics have no %s", want)
		}
	}
	if !strings.Contains(p.output(), "POST /tasks is function a/tasks's already") {
		t.Error("nobody is told of two functions with one path")
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(p.output(), "0123456789abcdef") {
		t.Error("a token is in the log")
	}
}

// TestUnready: it says why, and is alive.
func TestUnready(t *testing.T) {
	t.Parallel()
	p := start(t, "NATS_URL=nats://127.0.0.1:1", tokens(t))
	if status, text := p.health("/livez"); status != http.StatusOK {
		t.Errorf("livez: %d %s", status, text)
	}
	waittest.Eventually(t, func() error {
		if status, text := p.health("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "NATS") {
			return fmt.Errorf("readyz: %d %s", status, text)
		}
		return nil
	})
	p.await("/events/x", http.StatusServiceUnavailable)
}

// TestTLS serves HTTPS with a certificate that is asked of no client.
func TestTLS(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	provision(t, srv)
	ca, dir := certstest.NewCA(t), t.TempDir()
	ca.Server(dir, "bridge")
	if err := os.Remove(filepath.Join(dir, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	p := start(t, "NATS_URL="+srv.URL(), tokens(t), "PELTON_TLS_DIR="+dir)
	p.scheme = "https://"
	p.client.Transport.(*http.Transport).TLSClientConfig = ca.Client(nil)
	p.await("/events/x", http.StatusAccepted)
}

// TestMistakes end it at once, with all that is wrong.
func TestMistakes(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(broken, []byte("rules: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, env := range map[string][]string{
		"anyone who reaches the port":          {"PELTON_HTTP_ADDRESS=:0"},
		"PELTON_TOKENS, PELTON_ACCESS: read":   {"PELTON_ACCESS=" + broken},
		"PELTON_TLS_DIR: read certificates in": {"PELTON_TLS_DIR=" + t.TempDir()},
	} {
		p := start(t, env...)
		if code := p.end(); code != 1 || !strings.Contains(p.output(), want) {
			t.Errorf("exit code %d, want %q in:\n%s", code, want, p.output())
		}
	}
}
