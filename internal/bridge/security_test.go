package bridge

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/natstest"
)

const testToken = "correct-horse-battery"

func TestTokenComesFirst(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) {
		c.Token = testToken
		c.Public = map[string]http.Handler{"/healthz": text("ok")}
		c.Handlers = map[string]http.Handler{"/metrics": text("metrics")}
	})
	before := b.count(t)
	for name, header := range map[string][]string{
		"none":         nil,
		"wrong":        {"Authorization", "Bearer wrong-horse-battery"},
		"longer":       {"Authorization", "Bearer " + testToken + "x"},
		"shorter":      {"Authorization", "Bearer " + testToken[:10]},
		"empty":        {"Authorization", "Bearer "},
		"other scheme": {"Authorization", "Basic " + testToken},
		"bare":         {"Authorization", testToken},
	} {
		for _, path := range []string{"/events/x", "/events", "/nothing", "/events/*", "/metrics"} {
			a := b.post(t, path, "1", header...)
			wantProblem(t, a, http.StatusUnauthorized, "unauthorized")
			if !strings.HasPrefix(a.Header.Get("Www-Authenticate"), "Bearer") || strings.Contains(string(a.body), testToken) {
				t.Errorf("%s on %s: %s", name, path, a.body)
			}
		}
	}
	b.unharmed(t, before)
	wantAccepted(t, b.post(t, "/events/x", "1", "Authorization", "bearer "+testToken))
	if a := b.do(t, "GET", "/metrics", "", tokenHeader(b)...); string(a.body) != "metrics" {
		t.Errorf("metrics: %d %s", a.StatusCode, a.body)
	}
	if a := b.do(t, "GET", "/healthz", ""); string(a.body) != "ok" || a.Header.Get("X-Request-Id") == "" {
		t.Errorf("healthz without a token: %d %s", a.StatusCode, a.body)
	}
}

func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
}

func TestHostAllowList(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) {
		c.Hosts = []string{"Bridge.example"}
		c.Public = map[string]http.Handler{"/healthz": text("ok")}
	})
	for _, host := range []string{
		"localhost", "localhost:1", "LOCALHOST", "127.0.0.1:8080", "[::1]:8080", "[::1]",
		"bridge.example:443",
	} {
		wantAccepted(t, b.post(t, "/events/x", "1", "Host", host))
	}
	before := b.count(t)
	for _, host := range []string{
		"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.2", "localhost.",
		"0.0.0.0", "::1",
	} {
		wantProblem(t, b.post(t, "/events/x", "1", "Host", host), http.StatusMisdirectedRequest, "host-not-allowed")
		wantProblem(t, b.do(t, "GET", "/healthz", "", "Host", host), http.StatusMisdirectedRequest, "host-not-allowed")
	}
	b.unharmed(t, before)
}

func TestAnyHostWhenConfigured(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) { c.Hosts = []string{"*"} })
	wantAccepted(t, b.post(t, "/events/x", "1", "Host", "whatever.example"))
}

func TestOtherSitesArePrevented(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) { c.TrustedOrigins = []string{"https://app.example"} })
	before := b.count(t)
	for _, header := range [][]string{
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		{"Origin", "https://app.example.evil.example"},
	} {
		wantProblem(t, b.post(t, "/events/x", "a=1", append(header, "Content-Type", "text/plain")...), http.StatusForbidden,
			"cross-origin")
	}
	b.unharmed(t, before)
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "same-origin"},
		{"Sec-Fetch-Site", "none"},
		{"Origin", b.url},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"},
	} {
		wantAccepted(t, b.post(t, "/events/x", "1", header...))
	}
}

func TestListenNeedsATokenBeyondLoopback(t *testing.T) {
	t.Parallel()
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0"} {
		_, err := Config{Address: address}.listen(t.Context())
		if !errors.Is(err, ErrTokenRequired) || !strings.Contains(err.Error(), "set one, or listen on 127.0.0.1") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "localhost:0"} {
		l, err := Config{Address: address}.listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	l, err := Config{Address: "0.0.0.0:0", Token: testToken}.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = New(Config{Conn: natstest.Start(t).Conn(t), Listener: l})
	if !errors.Is(err, ErrTokenRequired) {
		t.Errorf("a listener for everybody without a token: %v", err)
	}
	if _, err := (Config{Address: "127.0.0.1:99999"}).listen(t.Context()); err == nil {
		t.Error("port 99999 was taken")
	}
}

func TestAddressInUseIsAnErrorOfListen(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s, err := New(Config{Conn: natstest.Start(t).Conn(t), Address: taken.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	var op *net.OpError
	if err := s.Run(t.Context()); !errors.As(err, &op) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
	if s.Addr() != nil {
		t.Error("it has an address all the same")
	}
}

func TestConfigProblemsAreNamedTogether(t *testing.T) {
	t.Parallel()
	buffering := natstest.Start(t).Conn(t, nats.ReconnectBufSize(1<<20))
	page := http.NotFoundHandler()
	_, err := New(Config{
		Conn: buffering, Token: "short", TrustedOrigins: []string{"app.example"},
		Handlers: map[string]http.Handler{"/events/": page, "/a": page}, Public: map[string]http.Handler{"nope": page, "/a": page},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"ReconnectBufSize(-1)", "address:", "token:", "trusted origins:", `"/events/"`, `"nope"`,
		"/a is in public",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %s: %v", want, err)
		}
	}
	if _, err := New(Config{Address: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "conn: is missing") {
		t.Errorf("without a connection: %v", err)
	}
}
