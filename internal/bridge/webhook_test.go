package bridge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/webhook"
)

// hooks is a bridge with a webhook for GitHub and one for Slack, and their secrets.
type hooks struct {
	*bridge
	work   jetstream.Stream
	secret string // the file of the secret
}

const hookSecret = "correct horse battery staple"

func serveHooks(t *testing.T) *hooks {
	t.Helper()
	b := serve(t, func(c *Config) { c.Token = testToken })
	h := &hooks{bridge: b, secret: filepath.Join(t.TempDir(), "webhook")}
	writeSecret(t, h.secret, hookSecret)
	h.routes(t, h.secret)
	work, err := b.nats.JetStream(t).Stream(t.Context(), stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	h.work = work
	return h
}

func writeSecret(t *testing.T, file, secret string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (h *hooks) routes(t *testing.T, files ...string) {
	t.Helper()
	var secrets []SecretFile
	for _, file := range files {
		secrets = append(secrets, SecretFile{Path: file})
	}
	if err := h.SetRoutes([]Route{
		{Path: "/github", Namespace: "shop", Function: "deploy", Webhook: &Webhook{Scheme: webhook.GitHub, Secrets: secrets}},
		{Path: "/slack", Namespace: "shop", Function: "bot", Webhook: &Webhook{Scheme: webhook.Slack, Secrets: secrets}},
		{Path: "/plain", Namespace: "shop", Function: "deploy"},
		{Path: "/below/*", Namespace: "shop", Function: "deploy", Webhook: &Webhook{Scheme: webhook.GitHub, Secrets: secrets}},
	}); err != nil {
		t.Fatal(err)
	}
}

func hexOf(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// github sends as GitHub does, under a name of ours that only the Internet knows, and without a token.
func (h *hooks) github(t *testing.T, id, secret, body string, more ...string) answer {
	t.Helper()
	return h.post(t, "/github", body, append([]string{
		"Host", "hooks.example", "Content-Type", "application/json", "X-GitHub-Event", "push", "X-GitHub-Delivery", id,
		"X-Hub-Signature-256", "sha256=" + hexOf(secret, body), "User-Agent", "GitHub-Hookshot/044aadd",
	}, more...)...)
}

func TestWebhookBecomesAnEvent(t *testing.T) {
	t.Parallel()
	h := serveHooks(t)
	body, err := os.ReadFile("../webhook/testdata/github-push.json")
	if err != nil {
		t.Fatal(err)
	}
	const id = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
	first := wantAccepted(t, h.github(t, id, hookSecret, string(body), "ce-id", "forged", "ce-source", "/forged", "ce-type", "x",
		"ce-specversion", "1.0", "Idempotency-Key", "forged"))
	if first.ID != id || first.Subject != "pelton.work.shop.deploy.http" || first.Duplicate {
		t.Errorf("answered %+v", first)
	}
	e := decode(t, h.work, first.Sequence)
	if e.Type != "com.github.push" || e.Source != "https://github.com/Codertocat/Hello-World" || e.ID != id {
		t.Errorf("stored %+v", e)
	}
	if diff := cmp.Diff(string(body), string(e.Data)); diff != "" {
		t.Errorf("the data is not the body:\n%s", diff)
	}
	again := wantAccepted(t, h.github(t, id, hookSecret, string(body)))
	if !again.Duplicate || again.Sequence != first.Sequence || stored(t, h.work) != 1 {
		t.Errorf("a replay is answered %+v, with %d stored", again, stored(t, h.work))
	}
}

// TestWebhookBelowAPath: what comes after the path of the trigger is not signed, so it makes no other event of a request that is sent
// again.
func TestWebhookBelowAPath(t *testing.T) {
	t.Parallel()
	h := serveHooks(t)
	const body = `{"ref": "refs/heads/main"}`
	send := func(path string) accepted {
		return wantAccepted(t, h.post(t, path, body, "Content-Type", "application/json", "X-GitHub-Event", "push",
			"X-GitHub-Delivery", "1", "X-Hub-Signature-256", "sha256="+hexOf(hookSecret, body)))
	}
	first := send("/below/a")
	for _, path := range []string{"/below/b", "/below", "/below/a?b"} {
		if again := send(path); !again.Duplicate || again.Sequence != first.Sequence {
			t.Errorf("%s: a replay is answered %+v", path, again)
		}
	}
	if e := decode(t, h.work, first.Sequence); e.Source != "/below" {
		t.Errorf("the source is %s", e.Source)
	}
}

func TestWebhookRefusals(t *testing.T) {
	t.Parallel()
	h := serveHooks(t)
	const body = `{"ref": "refs/heads/main"}`
	for name, tt := range map[string]struct {
		do     func() answer
		status int
		code   string
	}{
		"another secret": {func() answer { return h.github(t, "1", "wrong", body) }, 401, "invalid-signature"},
		"no signature": {func() answer {
			return h.post(t, "/github", body, "X-GitHub-Event", "push", "X-GitHub-Delivery", "1")
		}, 401, "invalid-signature"},
		"our token instead": {func() answer { return h.post(t, "/github", body, tokenHeader(h.bridge)...) }, 401, "invalid-signature"},
		"no JSON":           {func() answer { return h.github(t, "1", hookSecret, "{") }, 400, "invalid-webhook"},
		"odd id":            {func() answer { return h.github(t, "a b", hookSecret, body) }, 400, "invalid-webhook"},
		"compressed": {func() answer {
			return h.github(t, "1", hookSecret, body, "Content-Encoding", "gzip")
		}, 415, "unsupported-content-encoding"},
		"too large": {func() answer {
			return h.github(t, "1", hookSecret, strings.Repeat(" ", DefaultMaxBody+1))
		}, 413, "body-too-large"},
		"token in the query": {func() answer { return h.post(t, "/github?access_token=1", body) }, 400, "token-in-query"},
		"too many fields": {func() answer {
			return h.github(t, "1", hookSecret, body, strings.Split(strings.Repeat("X-A b ", 120), " ")[:200]...)
		}, 431, "header-too-large"},
		"not a POST":              {func() answer { return h.do(t, "GET", "/github", "", tokenHeader(h.bridge)...) }, 405, "method-not-allowed"},
		"not a POST and no token": {func() answer { return h.do(t, "GET", "/github", "") }, 401, "unauthorized"},
		"below a path": {func() answer {
			return h.post(t, "/below/x", body, tokenHeader(h.bridge)...)
		}, 401, "invalid-signature"},
		"the path above": {func() answer { return h.post(t, "/below", body, tokenHeader(h.bridge)...) }, 401, "invalid-signature"},
		"another route":  {func() answer { return h.post(t, "/plain", body) }, 401, "unauthorized"},
	} {
		a := tt.do()
		p := wantProblem(t, a, tt.status, tt.code)
		if a.StatusCode == http.StatusUnauthorized && a.Header.Get("Www-Authenticate") == "" {
			t.Errorf("%s: 401 without Www-Authenticate", name)
		}
		if strings.Contains(string(a.body), hexOf(hookSecret, body)) || strings.Contains(string(a.body), hookSecret) {
			t.Errorf("%s: the answer tells a secret: %s", name, p.Detail)
		}
	}
	if n := stored(t, h.work); n != 0 {
		t.Errorf("%d events are stored", n)
	}
	wantAccepted(t, h.github(t, "1", hookSecret, body))
}

func TestSlackIsAnswered(t *testing.T) {
	t.Parallel()
	h := serveHooks(t)
	slack := func(secret, body string) answer {
		seconds := fmt.Sprint(time.Now().Unix())
		return h.post(t, "/slack", body, "Content-Type", "application/json", "X-Slack-Request-Timestamp", seconds,
			"X-Slack-Signature", "v0="+hexOf(secret, "v0:"+seconds+":"+body))
	}
	const question = `{"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"}`
	a := slack(hookSecret, question)
	if a.StatusCode != http.StatusOK || string(a.body) != "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd" ||
		!strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("answered %d %s", a.StatusCode, a.body)
	}
	wantProblem(t, slack("wrong", question), http.StatusUnauthorized, "invalid-signature")
	if n := stored(t, h.work); n != 0 {
		t.Errorf("%d events are stored", n)
	}
	got := wantAccepted(t, slack(hookSecret, `{"type": "event_callback", "event_id": "Ev1", "event": {"type": "app_mention"}}`))
	if e := decode(t, h.work, got.Sequence); e.ID != "Ev1" || e.Type != "com.slack.app_mention" || e.Source != "/slack" {
		t.Errorf("stored %+v", e)
	}
}

// TestWebhookSecretsChange: what is in the files counts from the next request on.
func TestWebhookSecretsChange(t *testing.T) {
	t.Parallel()
	h := serveHooks(t)
	next := h.secret + "-next"
	h.routes(t, h.secret, next)
	wantAccepted(t, h.github(t, "1", hookSecret, "{}")) // one of the two is there, and has signed
	p := wantProblem(t, h.github(t, "2", "next", "{}"), http.StatusServiceUnavailable, "webhook-secret-missing")
	if strings.Contains(p.Detail, next) {
		t.Errorf("the answer names a file: %s", p.Detail)
	}
	writeSecret(t, next, "next\n")
	wantAccepted(t, h.github(t, "2", "next", "{}"))
	writeSecret(t, h.secret, "changed")
	wantProblem(t, h.github(t, "3", hookSecret, "{}"), http.StatusUnauthorized, "invalid-signature")
	wantAccepted(t, h.github(t, "3", "changed", "{}"))
	writeSecret(t, h.secret, "\n")
	writeSecret(t, next, "")
	wantProblem(t, h.github(t, "4", "", "{}"), http.StatusServiceUnavailable, "webhook-secret-missing")
	if n := stored(t, h.work); n != 3 {
		t.Errorf("%d events are stored, want 3", n)
	}
}

func TestWebhookRoutes(t *testing.T) {
	t.Parallel()
	b := serve(t)
	err := b.SetRoutes([]Route{
		{Path: "/a", Namespace: "shop", Function: "f", Webhook: &Webhook{Scheme: "gitlab", Secrets: []SecretFile{{Path: "x"}}}},
		{Path: "/b", Namespace: "shop", Function: "f", Webhook: &Webhook{Scheme: webhook.Slack}},
	})
	if err == nil || !strings.Contains(err.Error(), `webhook: "gitlab" is not a scheme`) || !strings.Contains(err.Error(), "it has no secret") {
		t.Error(err)
	}
}

func TestWebhookOf(t *testing.T) {
	t.Parallel()
	file := func(ref function.KeyRef) string { return ref.SecretFile("/functions") }
	if w := WebhookOf(&function.HTTPTrigger{}, file); w != nil {
		t.Errorf("made %+v of nothing", w)
	}
	got := WebhookOf(&function.HTTPTrigger{Webhook: &function.Webhook{Scheme: function.SchemeGitHub, SecretFrom: []function.SecretSource{
		{SecretKeyRef: function.KeyRef{Name: "github", Key: "webhook"}},
		{SecretKeyRef: function.KeyRef{Name: "github", Key: "previous", Optional: true}},
	}}}, file)
	want := &Webhook{Scheme: webhook.GitHub, Secrets: []SecretFile{
		{Path: "/functions/.pelton-secrets/github/webhook"}, {Path: "/functions/.pelton-secrets/github/previous", Optional: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The manifest's words for the schemes are those of the verifier.
	for _, s := range []string{function.SchemeStandard, function.SchemeGitHub, function.SchemeStripe, function.SchemeSlack} {
		if err := (&Webhook{Scheme: webhook.Scheme(s), Secrets: want.Secrets}).validate(); err != nil {
			t.Error(err)
		}
	}
}
