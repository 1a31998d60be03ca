package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/webhook"
)

// now is when every request of these tests comes in.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// The secrets of the samples; that of Standard Webhooks is the one of its specification.
const (
	standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	plainSecret    = "8f742231b10e8888abcd99yyyzzz85a5"
)

// sum is computed here by other means than in the package.
func sum(t testing.TB, s webhook.Scheme, secret, text string) []byte {
	t.Helper()
	key := []byte(secret)
	if s == webhook.Standard {
		var err error
		if key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")); err != nil {
			t.Fatal(err)
		}
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// signAs signs a body as the provider does.
func signAs(t testing.TB, s webhook.Scheme, secret string, at time.Time, body string) http.Header {
	t.Helper()
	h := http.Header{"Content-Type": {"application/json"}}
	seconds := fmt.Sprint(at.Unix())
	switch s {
	case webhook.Standard:
		signature := base64.StdEncoding.EncodeToString(sum(t, s, secret, "msg_1."+seconds+"."+body))
		h.Set("webhook-id", "msg_1")
		h.Set("webhook-timestamp", seconds)
		h.Set("webhook-signature", "v1,"+signature)
	case webhook.GitHub:
		h.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
		h.Set("X-GitHub-Event", "push")
		h.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(sum(t, s, secret, body)))
	case webhook.Stripe:
		h.Set("Stripe-Signature", "t="+seconds+",v1="+hex.EncodeToString(sum(t, s, secret, seconds+"."+body))+",v0=00")
	case webhook.Slack:
		h.Set("X-Slack-Request-Timestamp", seconds)
		h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(sum(t, s, secret, "v0:"+seconds+":"+body)))
	}
	return h
}

// sample is what a provider sends, as its documentation shows it.
type sample struct {
	scheme       webhook.Scheme
	secret, body string
	signature    string // the header that has it
}

func samples(t testing.TB) []sample {
	t.Helper()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return []sample{
		{webhook.Standard, standardSecret, read("standard-user.json"), "webhook-signature"},
		{webhook.GitHub, plainSecret, read("github-push.json"), "X-Hub-Signature-256"},
		{webhook.Stripe, "whsec_" + plainSecret, read("stripe-invoice.json"), "Stripe-Signature"},
		{webhook.Slack, plainSecret, read("slack-mention.json"), "X-Slack-Signature"},
	}
}

func keysOf(t testing.TB, s webhook.Scheme, secrets ...string) (keys [][]byte) {
	t.Helper()
	for _, secret := range secrets {
		key, err := s.Key([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

func (s sample) read(t testing.TB, h http.Header, body string, secrets ...string) (webhook.Delivery, error) {
	t.Helper()
	return s.scheme.Read(webhook.Request{Header: h, Body: []byte(body), Path: "/hook", Now: now}, keysOf(t, s.scheme, secrets...))
}
