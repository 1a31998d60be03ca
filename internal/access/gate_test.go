package access

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/pelton-dev/pelton/internal/waittest"
)

// rig is a Gate that looks at its files all the time.
type rig struct {
	*Gate
	t              *testing.T
	tokens, policy string
	metrics        *prometheus.Registry
	logs           *observer.ObservedLogs
}

func open(t *testing.T, tokens, policy string) *rig {
	t.Helper()
	dir := t.TempDir()
	core, logs := observer.New(zap.InfoLevel)
	r := &rig{t: t, metrics: prometheus.NewRegistry(), logs: logs}
	cfg := Config{Interval: 2 * time.Millisecond, Metrics: r.metrics, Logger: zap.New(core)}
	if r.tokens = filepath.Join(dir, "tokens"); tokens != "" {
		cfg.Tokens = r.tokens
		write(t, r.tokens, tokens)
	}
	if r.policy = filepath.Join(dir, "policy.yaml"); policy != "" {
		cfg.Policy = r.policy
		write(t, r.policy, policy)
	}
	var err error
	if r.Gate, err = Open(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

// write replaces a file at once, as everybody should who changes one that is read.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func request(authorization ...string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": authorization}, RemoteAddr: "127.0.0.1:5"}
}

// who is the caller of a token, "" if it has none.
func (r *rig) who(token string) string {
	c, _ := r.Identify(r.t.Context(), request("Bearer "+token))
	return c.Name
}

func (r *rig) await(token, want string) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		if got := r.who(token); got != want {
			return fmt.Errorf("the token is of %q, want %q", got, want)
		}
		return nil
	})
}

func (r *rig) awaitBroken(kind string, want float64) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		if got := testutil.ToFloat64(r.Gate.metrics.broken.WithLabelValues(kind)); got != want {
			return fmt.Errorf("broken %s is %v, want %v", kind, got, want)
		}
		return nil
	})
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTokensRotate without a restart. A file that is broken or gone changes nothing, and is told of once.
func TestTokensRotate(t *testing.T) {
	t.Parallel()
	r := open(t, "shop "+shopToken, "")
	r.await(shopToken, "shop")
	write(t, r.tokens, "shop "+shopToken+"\nshop next-0123456789abcdef")
	r.await("next-0123456789abcdef", "shop")
	write(t, r.tokens, "shop "+"next-0123456789abcdef")
	r.await(shopToken, "")

	write(t, r.tokens, "shop short")
	r.awaitBroken("tokens", 1)
	r.await("next-0123456789abcdef", "shop")
	if err := os.Remove(r.tokens); err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		if n := r.logs.FilterMessageSnippet("cannot be used").Len(); n != 2 {
			return fmt.Errorf("told %d times, want once for each of two faults", n)
		}
		return nil
	})
	write(t, r.tokens, "shop "+mailToken)
	r.await(mailToken, "shop")
	r.awaitBroken("tokens", 0)
	for _, entry := range r.logs.All() {
		if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, "0123456789abcdef") {
			t.Errorf("a token is in the log: %s", text)
		}
	}
}

func TestPolicyReloads(t *testing.T) {
	t.Parallel()
	r := open(t, "shop "+shopToken, "rules: [{callers: [shop], paths: [/a]}]")
	shop := Caller{Name: "shop"}
	await := func(path string, ok bool) {
		t.Helper()
		waittest.Eventually(t, func() error {
			if got := r.MayAsk(shop, "GET", path); (got == nil) != ok {
				return fmt.Errorf("%s: %+v, want %v", path, got, ok)
			}
			return nil
		})
	}
	await("/a", true)
	await("/b", false)
	write(t, r.policy, "rules: [{callers: [shop], paths: [/b]}]")
	await("/b", true)
	await("/a", false)
	write(t, r.policy, "rules: [{callers: [shop]}]")
	r.awaitBroken("policy", 1)
	await("/b", true)
	if r.MayPublish(shop, "events.a") == nil {
		t.Error("events are allowed, of which no rule says anything")
	}
}

// TestLockIsNotTakenOff: a policy without issuers would let in everybody.
func TestLockIsNotTakenOff(t *testing.T) {
	t.Parallel()
	k := edKey(t, "k")
	i := startIDP(t, k)
	r := open(t, "", i.policy())
	r.await(i.token(k, nil), "corp:ann")
	write(t, r.policy, "limits: [{callers: ['*'], rate: 1}]")
	r.awaitBroken("policy", 1)
	if !r.Asks() || r.who("") != "" {
		t.Error("nobody is asked any more")
	}
}

// TestBoundsAreNotTakenOff: a file that somebody has emptied or cut takes no rule and no limit away.
func TestBoundsAreNotTakenOff(t *testing.T) {
	t.Parallel()
	const rules, limits = "rules: [{callers: [shop], paths: [/a]}]\n", "limits: [{callers: [shop], rate: 1}]\n"
	for _, c := range []struct{ before, after, why string }{
		{rules, "", "it says nothing"},
		{rules, "# rules\n", "it says nothing"},
		{rules, "rules:\n", "rules: nothing follows"},
		{rules, "rules: []\n", "rules: there is none"},
		{rules, limits, "rules: there are none any more"},
		{limits, "limits:\n", "limits: nothing follows"},
		{limits, "limits: []\n", "it says nothing"},
		{limits, rules, "limits: there are none any more"},
		{rules + limits, rules + "limits: ~\n", "limits: nothing follows"},
	} {
		r := open(t, "shop "+shopToken, c.before)
		write(t, r.policy, c.after)
		r.awaitBroken("policy", 1)
		p := r.Gate.policy.Load()
		if (len(p.rules) == 1) != strings.Contains(c.before, rules) || (len(p.limits) == 1) != strings.Contains(c.before, limits) {
			t.Errorf("%q after %q: %+v", c.after, c.before, p)
		}
		waittest.Eventually(t, func() error {
			for _, entry := range r.logs.FilterMessageSnippet("cannot be used").All() {
				if text := fmt.Sprint(entry.ContextMap()["error"]); strings.Contains(text, c.why) {
					return nil
				}
			}
			return fmt.Errorf("%q after %q: the log does not say %q", c.after, c.before, c.why)
		})
	}
}

// TestIdentify is over what a request shows.
func TestIdentify(t *testing.T) {
	t.Parallel()
	k := edKey(t, "k")
	i := startIDP(t, k)
	r := open(t, "shop "+shopToken, i.policy())
	for name, c := range map[string]struct {
		header []string
		reason Reason
		caller string
	}{
		"token":             {[]string{"Bearer " + shopToken}, "", "shop"},
		"lower case":        {[]string{"bearer  " + shopToken}, "", "shop"},
		"signed":            {[]string{"Bearer " + i.token(k, nil)}, "", "corp:ann"},
		"nothing":           {nil, NoToken, ""},
		"empty":             {[]string{"Bearer "}, BadToken, ""},
		"bare":              {[]string{shopToken}, BadToken, ""},
		"other scheme":      {[]string{"Basic " + shopToken}, BadToken, ""},
		"two":               {[]string{"Bearer " + shopToken, "Bearer " + shopToken}, BadToken, ""},
		"unknown":           {[]string{"Bearer " + mailToken}, BadToken, ""},
		"long":              {[]string{"Bearer " + strings.Repeat("a", 9000)}, BadToken, ""},
		"of another issuer": {[]string{"Bearer " + i.token(k, map[string]any{"iss": "x"})}, BadToken, ""},
	} {
		got, refused := r.Identify(t.Context(), request(c.header...))
		if got.Name != c.caller || (refused == nil) != (c.reason == "") || refused != nil && refused.Reason != c.reason {
			t.Errorf("%s: %+v %+v, want %q %s", name, got, refused, c.caller, c.reason)
		}
		if refused != nil && (strings.Contains(refused.Detail, shopToken) || strings.Contains(refused.Detail, mailToken)) {
			t.Errorf("%s: a token is told: %s", name, refused.Detail)
		}
	}
	if n := testutil.ToFloat64(r.Gate.metrics.refused.WithLabelValues(string(NoToken))); n != 1 {
		t.Errorf("%v requests without a token are counted, want 1", n)
	}
}

// TestNobodyIsAsked where there is a policy of limits alone: addresses tell callers apart.
func TestNobodyIsAsked(t *testing.T) {
	t.Parallel()
	r := open(t, "", "limits: [{callers: [anonymous], rate: 0.001, burst: 1}]")
	if r.Asks() {
		t.Fatal("callers are asked who they are")
	}
	c, refused := r.Identify(t.Context(), request())
	if refused != nil || c.Name != Anonymous || r.Take(c) != nil {
		t.Fatalf("%+v %+v", c, refused)
	}
	if got := r.Take(c); got == nil || got.Reason != TooMany || got.RetryAfter < time.Minute {
		t.Errorf("the second request: %+v", got)
	}
	other := request()
	other.RemoteAddr = "[::1]:7"
	if c, _ = r.Identify(t.Context(), other); r.Take(c) != nil {
		t.Error("another address was refused")
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	if _, err := Open(Config{}); err == nil || !strings.Contains(err.Error(), "neither") {
		t.Errorf("nothing set: %v", err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if _, err := Open(Config{Tokens: path}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "read tokens "+path) {
		t.Errorf("no file: %v", err)
	}
	write(t, path, "rules: 5")
	if _, err := Open(Config{Policy: path}); err == nil || !strings.Contains(err.Error(), "read policy "+path+": ") {
		t.Errorf("broken file: %v", err)
	}
	write(t, path, "shop "+shopToken)
	taken := prometheus.NewRegistry()
	taken.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "pelton_access_key_errors_total", Help: "Other."}))
	if _, err := Open(Config{Tokens: path, Metrics: taken}); err == nil || !strings.Contains(err.Error(), "register metrics") {
		t.Errorf("metrics are taken: %v", err)
	}
}
