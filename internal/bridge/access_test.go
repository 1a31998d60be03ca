package bridge

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/access"
)

const (
	shopToken = "shop-0123456789abcdef"
	mailToken = "mail-0123456789abcdef"
)

// gate opens files of tokens and rules; "" is none.
func gate(t *testing.T, tokens, policy string) *access.Gate {
	t.Helper()
	var cfg access.Config
	for _, f := range []struct {
		path *string
		text string
	}{{&cfg.Tokens, tokens}, {&cfg.Policy, policy}} {
		if f.text == "" {
			continue
		}
		*f.path = filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(*f.path, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, err := access.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const policyOfCallers = `
rules:
  - callers: [shop]
    subjects: [events.orders.>]
    paths: [/tasks]
    methods: [POST]
  - callers: [mail]
    paths: [/pages/*]
limits:
  - callers: [mail]
    rate: 0.001
    burst: 2
`

func serveCallers(t *testing.T) *bridge {
	t.Helper()
	b := serve(t, func(c *Config) {
		c.Token = testToken
		c.Access = gate(t, "shop "+shopToken+"\nmail "+mailToken, policyOfCallers)
		c.Handlers = map[string]http.Handler{"/pages/": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("token:" + r.Header.Get("Authorization")))
		})}
	})
	if err := b.SetRoutes([]Route{
		{Path: "/tasks", Methods: []string{"POST", "PUT"}, Namespace: "default", Function: "tasks"},
		{Path: "/secret", Namespace: "default", Function: "secret"},
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

func as(token string, more ...string) []string { return append(more, "Authorization", "Bearer "+token) }

// TestCallersMayWhatRulesSay is over every way to send an event or to ask for a page.
func TestCallersMayWhatRulesSay(t *testing.T) {
	t.Parallel()
	b := serveCallers(t)
	before := b.count(t)
	for _, path := range []string{"/events/bills.x", "/events/orders", "/secret", "/nothing", "/pages/a"} {
		a := b.post(t, path, "1", as(shopToken)...)
		p := wantProblem(t, a, http.StatusForbidden, "forbidden")
		if !strings.Contains(p.Detail, "Caller shop may not") || !strings.Contains(p.Detail, "Allowed") ||
			!strings.Contains(a.Header.Get("Www-Authenticate"), `error="insufficient_scope"`) {
			t.Errorf("%s: %s %s", path, p.Detail, a.Header.Get("Www-Authenticate"))
		}
	}
	wantProblem(t, b.do(t, "PUT", "/tasks", "1", as(shopToken)...), http.StatusForbidden, "forbidden")
	ce := func(kind string) []string {
		return as(shopToken, "Ce-Id", "1", "Ce-Source", "/t", "Ce-Specversion", "1.0", "Ce-Type", kind)
	}
	wantProblem(t, b.post(t, "/events", "1", ce("bills.x")...), http.StatusForbidden, "forbidden")
	batch := `[{"specversion":"1.0","id":"1","source":"/t","type":"orders.x"},{"specversion":"1.0","id":"2","source":"/t","type":"bills.x"}]`
	wantProblem(t, b.post(t, "/events", batch, as(shopToken, "Content-Type", "application/cloudevents-batch+json")...),
		http.StatusForbidden, "forbidden")
	b.unharmed(t, before)

	wantAccepted(t, b.post(t, "/events/orders.created", "1", as(shopToken)...))
	wantAccepted(t, b.post(t, "/events", "1", ce("orders.x")...))
	wantAccepted(t, b.post(t, "/tasks", "1", as(shopToken)...))
	wantAccepted(t, b.post(t, "/secret", "1", tokenHeader(b)...)) // the token of Config may everything
}

// TestCallersAreAsked: the answer says how, and never shows the token; it goes no further than the door.
func TestCallersAreAsked(t *testing.T) {
	t.Parallel()
	b := serveCallers(t)
	for name, c := range map[string]struct{ header, challenge string }{
		"nothing": {"", `Bearer realm="pelton"`},
		"wrong":   {"Bearer wrong-0123456789abcdef", `Bearer realm="pelton", error="invalid_token"`},
		"basic":   {"Basic " + shopToken, `Bearer realm="pelton", error="invalid_token"`},
	} {
		var header []string
		if c.header != "" {
			header = []string{"Authorization", c.header}
		}
		a := b.post(t, "/events/orders.x", "1", header...)
		wantProblem(t, a, http.StatusUnauthorized, "unauthorized")
		if got := a.Header.Get("Www-Authenticate"); got != c.challenge || strings.Contains(string(a.body), "0123456789") {
			t.Errorf("%s: challenge %q, body %s", name, got, a.body)
		}
	}
	if a := b.do(t, "GET", "/pages/x", "", as(mailToken)...); string(a.body) != "token:" {
		t.Errorf("behind the door there is %s", a.body)
	}
}

func TestCallersAreLimited(t *testing.T) {
	t.Parallel()
	b := serveCallers(t)
	for range 2 {
		if a := b.do(t, "GET", "/pages/x", "", as(mailToken)...); a.StatusCode != http.StatusOK {
			t.Fatalf("got %d %s", a.StatusCode, a.body)
		}
	}
	a := b.do(t, "GET", "/pages/x", "", as(mailToken)...)
	p := wantProblem(t, a, http.StatusTooManyRequests, "rate-limited")
	if !strings.Contains(p.Detail, "Caller mail makes more requests than 0.001 a second") || len(a.Header.Get("Retry-After")) < 3 {
		t.Errorf("%s, Retry-After %s", p.Detail, a.Header.Get("Retry-After"))
	}
	wantAccepted(t, b.post(t, "/events/orders.x", "1", as(shopToken)...))
}

// TestLimitsWithoutCallers: on loopback nobody is asked, and addresses are counted. A function's own token is left to it.
func TestLimitsWithoutCallers(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) {
		c.Access = gate(t, "", "limits: [{callers: [anonymous], rate: 0.001, burst: 1}]")
		c.Handlers = map[string]http.Handler{"/page": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(r.Header.Get("Authorization")))
		})}
	})
	if a := b.do(t, "GET", "/page", "", "Authorization", "Basic own"); string(a.body) != "Basic own" {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	wantProblem(t, b.post(t, "/events/x", "1"), http.StatusTooManyRequests, "rate-limited")
}

// TestWhoMayListenBeyondLoopback: who asks, and who says that nobody is to be asked.
func TestWhoMayListenBeyondLoopback(t *testing.T) {
	t.Parallel()
	asking, open := gate(t, "shop "+shopToken, ""), gate(t, "", "limits: [{callers: ['*'], rate: 1}]")
	for name, c := range map[string]struct {
		cfg Config
		ok  bool
	}{
		"gate":                {Config{Access: asking}, true},
		"gate that asks none": {Config{Access: open}, false},
		"meant":               {Config{Insecure: true}, true},
	} {
		c.cfg.Address = "0.0.0.0:0"
		l, err := c.cfg.listen(t.Context())
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = l.Close()
		}
	}
}

// TestIdempotencyKeyIsItsCallers: the key of another caller, or with another method, is another event and suppresses none.
func TestIdempotencyKeyIsItsCallers(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) {
		c.Token = testToken
		c.Access = gate(t, "shop "+shopToken+"\nmail "+mailToken, "")
	})
	if err := b.SetRoutes([]Route{{Path: "/tasks", Methods: []string{"POST", "PUT"}, Namespace: "default", Function: "tasks"}}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, way := range []string{"POST /tasks", "PUT /tasks", "POST /events/pay"} {
		method, path, _ := strings.Cut(way, " ")
		for _, token := range []string{shopToken, mailToken, testToken} {
			first := wantAccepted(t, b.do(t, method, path, "1", as(token, "Idempotency-Key", "order-1")...))
			again := wantAccepted(t, b.do(t, method, path, "1", as(token, "Idempotency-Key", "order-1")...))
			if first.Duplicate || !again.Duplicate || again.Sequence != first.Sequence {
				t.Errorf("%s: first %+v, again %+v", way, first, again)
			}
			at := fmt.Sprint(first.Subject, first.Sequence)
			if seen[at] {
				t.Errorf("%s: %s is stored already", way, at)
			}
			seen[at] = true
		}
	}
}
