package bridge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/webhook"
)

// fill sends bodies that never end until the budget has that much.
func (b *bridge) fill(t *testing.T, head string, size int, want int64) (open []net.Conn) {
	t.Helper()
	for range want / int64(size) {
		c := b.dial(t)
		if _, err := io.WriteString(c, head+fmt.Sprintf("Content-Length: %d\r\n\r\n", size-1)); err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	b.awaitBodies(t, want)
	return open
}

func (b *bridge) awaitBodies(t *testing.T, want int64) {
	t.Helper()
	waittest.Eventually(t, func() error {
		if got := b.bodies.taken.Load(); got != want {
			return fmt.Errorf("bodies have %d bytes, want %d", got, want)
		}
		return nil
	})
}

// TestBodiesHaveABudget: what is over it is refused until others are done, and everything is given back.
func TestBodiesHaveABudget(t *testing.T) {
	t.Parallel()
	const budget = 1 << 20
	b := serve(t, func(c *Config) { c.MaxBody, c.MaxBodies, c.ReadTimeout = budget/4, budget, time.Minute })
	open := b.fill(t, wireHead("POST", "/events/x"), firstRead, budget)
	a := b.post(t, "/events/x", strings.Repeat("x", 100))
	wantProblem(t, a, http.StatusServiceUnavailable, "too-many-bodies")
	if a.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	if _, err := io.WriteString(open[0], strings.Repeat("x", firstRead-1)); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(open[0]), nil); err != nil {
		t.Fatal(err)
	} else if a := read(t, resp); a.StatusCode != http.StatusAccepted {
		t.Errorf("a body that came in the end: %d %s", a.StatusCode, a.body)
	}
	wantAccepted(t, b.post(t, "/events/x", strings.Repeat("x", 100)))
	wantProblem(t, b.post(t, "/events/x", strings.Repeat("x", 2*firstRead)), http.StatusServiceUnavailable, "too-many-bodies")
	for _, c := range open {
		_ = c.Close()
	}
	b.awaitBodies(t, 0)
	wantAccepted(t, b.post(t, "/events/x", strings.Repeat("x", budget/4)))
	wantProblem(t, b.post(t, "/events/x", strings.Repeat("x", budget/4+1)), http.StatusRequestEntityTooLarge, "body-too-large")
	b.awaitBodies(t, 0)
}

// TestWebhooksHaveHalfOfTheBudget: their senders are nobody's callers until a body is there.
func TestWebhooksHaveHalfOfTheBudget(t *testing.T) {
	t.Parallel()
	const budget = 1 << 20
	b := serve(t, func(c *Config) { c.MaxBody, c.MaxBodies, c.ReadTimeout = budget/4, budget, time.Minute })
	hook := &Webhook{Scheme: webhook.GitHub, Secrets: []SecretFile{{Path: "none"}}}
	if err := b.SetRoutes([]Route{{Path: "/github", Namespace: "shop", Function: "deploy", Webhook: hook}}); err != nil {
		t.Fatal(err)
	}
	const signed = "X-Hub-Signature-256: sha256=00\r\n"
	b.fill(t, wireHead("POST", "/github")+signed, firstRead, budget/2)
	a := b.post(t, "/github", "1", "X-Hub-Signature-256", "sha256=00")
	wantProblem(t, a, http.StatusServiceUnavailable, "too-many-bodies")
	wantAccepted(t, b.post(t, "/events/x", "1"))
}

// TestUnsignedWebhookIsNotRead: a body is announced that never comes, and the answer is there.
func TestUnsignedWebhookIsNotRead(t *testing.T) {
	t.Parallel()
	h := serveHooks(t)
	for _, path := range []string{"/github", "/slack", "/below/x"} {
		c := h.dial(t)
		if _, err := io.WriteString(c, wireHead("POST", path)+"Content-Length: 1000\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		a, _ := readWire(t, c)
		wantProblem(t, a, http.StatusUnauthorized, "invalid-signature")
	}
	h.awaitBodies(t, 0)
}

// TestWaitingCallsLeaveRoom: however many callers wait for a function that never answers, others are served.
func TestWaitingCallsLeaveRoom(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) { c.MaxConns = 4 })
	if err := b.SetRoutes([]Route{{Path: "/slow", Namespace: "shop", Function: "slow", Sync: true}}); err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 1000)
	for range 2 {
		if _, err := io.WriteString(b.dial(t), wireHead("POST", "/slow")+"Content-Length: 1000\r\n\r\n"+body); err != nil {
			t.Fatal(err)
		}
	}
	waittest.Eventually(t, func() error {
		if n := b.waiting.Load(); n != 2 {
			return fmt.Errorf("%d callers wait, want 2", n)
		}
		return nil
	})
	a := b.post(t, "/slow", body)
	wantProblem(t, a, http.StatusServiceUnavailable, "too-many-calls")
	if a.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	wantAccepted(t, b.post(t, "/events/x", "1"))
	b.awaitBodies(t, 0) // those who wait keep no memory of the budget
}
