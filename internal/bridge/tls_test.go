package bridge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/certs"
	"github.com/pelton-dev/pelton/internal/certs/certstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// serveTLS runs a bridge with TLS whose client trusts it.
func serveTLS(t *testing.T, change ...func(*Config)) (*bridge, *tls.Config) {
	t.Helper()
	ca, dir := certstest.NewCA(t), t.TempDir()
	ca.Server(dir, "bridge")
	store, err := certs.Open(certs.Config{Dir: dir, NoClients: true, Protocols: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	b := serve(t, append(change, func(c *Config) { c.TLS = store.Server() })...)
	b.url = "https://" + b.addr
	client := ca.Client(nil)
	b.client.Transport = &http.Transport{TLSClientConfig: client, ForceAttemptHTTP2: true}
	return b, client
}

// TestTLSIsAsPlain: what is accepted and what is refused is the same, down to what net/http answers by itself.
func TestTLSIsAsPlain(t *testing.T) {
	t.Parallel()
	b, client := serveTLS(t)
	wantAccepted(t, b.post(t, "/events/x", "1"))
	wantProblem(t, b.post(t, "/nothing", "1"), http.StatusNotFound, "not-found")
	c := tls.Client(b.dial(t), client)
	if _, err := io.WriteString(c, "POST /events/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, read(t, resp), http.StatusBadRequest, "malformed-request")
}

// TestTLSHandshakeHasItsTime: who never says hello is cut off, and gives way like any silent one.
func TestTLSHandshakeHasItsTime(t *testing.T) {
	t.Parallel()
	b, _ := serveTLS(t, func(c *Config) { c.MaxConns, c.HeaderTimeout = 10, 100*time.Millisecond })
	for range 50 {
		_ = b.dial(t)
	}
	wantAccepted(t, b.post(t, "/events/x", "1"))
	b.client.CloseIdleConnections()
	waittest.Eventually(t, func() error {
		b.limiter.mu.Lock()
		defer b.limiter.mu.Unlock()
		if b.limiter.open != 0 {
			return fmt.Errorf("%d connections are open", b.limiter.open)
		}
		return nil
	})
}
