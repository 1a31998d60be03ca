package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/testenv"
)

// handler is an HTTP handler in the test's own process. A call holds until the test lets it go.
type handler struct {
	t       *testing.T
	network string
	address string
	calls   chan *http.Request // one for each call that has come
	release chan struct{}      // closed to let all calls end
	server  *http.Server

	mu   sync.Mutex
	once bool
}

// serve starts a handler that answers at once.
func serve(t *testing.T, network, address string) *handler {
	t.Helper()
	h := serveHeld(t, network, address)
	h.let()
	return h
}

// serveHeld starts a handler whose calls hold until let is called.
func serveHeld(t *testing.T, network, address string) *handler {
	t.Helper()
	if address == "127.0.0.1:0" {
		address = fmt.Sprintf("127.0.0.1:%d", testenv.HoldPort(t)) // some tests close the handler and listen again
	}
	h := &handler{t: t, network: network, address: address, calls: make(chan *http.Request, 100), release: make(chan struct{})}
	h.listen()
	t.Cleanup(func() {
		h.let()
		h.close()
	})
	return h
}

// listen begins to accept calls, again after close.
func (h *handler) listen() {
	h.t.Helper()
	l, err := net.Listen(h.network, h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.address = l.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h.calls <- r
		select {
		case <-h.release:
		case <-r.Context().Done():
		}
	})}
	h.server = server
	go func() { _ = server.Serve(l) }()
}

func (h *handler) close() { _ = h.server.Close() }

// let lets all calls end.
func (h *handler) let() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.once {
		h.once = true
		close(h.release)
	}
}

// TestProtocols delivers one event with each protocol, from the environment to the acknowledgement.
func TestProtocols(t *testing.T) {
	t.Parallel()
	socket := func(t *testing.T) string {
		dir, err := os.MkdirTemp("", "sc") // the path of a socket may have only about 100 bytes
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		return filepath.Join(dir, "s")
	}
	for name, begin := range map[string]func(t *testing.T) (env []string, change func(*function.Spec)){
		"cloudevents": func(t *testing.T) ([]string, func(*function.Spec)) {
			h := serve(t, "tcp", "127.0.0.1:0")
			return []string{"PELTON_HANDLER_ADDRESS=" + h.address}, func(*function.Spec) {}
		},
		"cloudevents on the manifest's port": func(t *testing.T) ([]string, func(*function.Spec)) {
			h := serve(t, "tcp", "127.0.0.1:0")
			_, port, _ := net.SplitHostPort(h.address)
			number, err := net.LookupPort("tcp", port)
			if err != nil {
				t.Fatal(err)
			}
			return nil, func(s *function.Spec) { s.Handler.Port = number }
		},
		"cloudevents on a unix socket": func(t *testing.T) ([]string, func(*function.Spec)) {
			h := serve(t, "unix", socket(t))
			return []string{"PELTON_SOCKET=" + h.address}, func(s *function.Spec) { s.Handler.Listen = function.ListenUnix }
		},
		"http": func(t *testing.T) ([]string, func(*function.Spec)) {
			h := serve(t, "tcp", "127.0.0.1:0")
			change := func(s *function.Spec) { s.Handler.Protocol = function.ProtocolHTTP }
			return []string{"PELTON_HANDLER_ADDRESS=" + h.address}, change
		},
		"exec": func(*testing.T) ([]string, func(*function.Spec)) {
			return nil, func(s *function.Spec) {
				s.Handler.Protocol = function.ProtocolExec
				s.Handler.Env = []function.EnvVar{{Name: roleEnv, Value: roleExec}}
			}
		},
		"exec with variables by reference": func(*testing.T) ([]string, func(*function.Spec)) {
			return []string{"PELTON_HANDLER_ENV_" + roleEnv + "=" + roleExec}, func(s *function.Spec) {
				s.Handler.Protocol = function.ProtocolExec
				ref := &function.KeyRef{Name: "role", Key: "role"}
				s.Handler.Env = []function.EnvVar{
					{Name: roleEnv, ValueFrom: &function.ValueSource{SecretKeyRef: ref}},
					{Name: "NATS_URL", ValueFrom: &function.ValueSource{ConfigMapKeyRef: ref}}, // optional, and not there
				}
			}
		},
		"stream": func(t *testing.T) ([]string, func(*function.Spec)) {
			path := socket(t)
			startFrames(t, path)
			return []string{"PELTON_SOCKET=" + path}, func(s *function.Spec) { s.Handler.Protocol = function.ProtocolStream }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, q := newQueue(t)
			env, change := begin(t)
			p := start(t, append(env, "NATS_URL="+q.url, "PELTON_MANIFEST="+manifest(t, change))...)
			p.await("/readyz", http.StatusOK, "ok")
			q.publish("one")
			q.awaitAcked(1)
			p.await("/metrics", http.StatusOK, `pelton_runs_total{function="fn",namespace="default",outcome="done"} 1`)
		})
	}
}

// startFrames starts a handler on the SDK, which dials the socket of the sidecar.
func startFrames(t *testing.T, socket string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+roleFrames, "PELTON_SOCKET="+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}
