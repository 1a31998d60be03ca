package webhook_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/webhook"
)

// TestEvents: what the providers' samples become.
func TestEvents(t *testing.T) {
	t.Parallel()
	want := map[webhook.Scheme]event.Event{
		webhook.Standard: {ID: "msg_1", Source: "/hook", Type: "user.created", Time: "2026-03-04T05:06:07Z"},
		webhook.GitHub: {
			ID: "72d3162e-cc78-11e3-81ab-4c9367dc0958", Source: "https://github.com/Codertocat/Hello-World", Type: "com.github.push",
			Subject: "refs/tags/simple-tag", Time: "2026-03-04T05:06:07Z",
		},
		webhook.Stripe: {
			ID: "evt_1NG8Du2eZvKYlo2CUI79vXWy", Source: "/hook", Type: "com.stripe.invoice.paid", Subject: "in_1NG8Du2eZvKYlo2CkIGtQjzP",
			Time: "2023-06-06T22:19:30Z",
		},
		webhook.Slack: {
			ID: "Ev123ABC456", Source: "/hook", Type: "com.slack.app_mention", Subject: "C123ABC456", Time: "2018-01-08T22:12:02Z",
		},
	}
	for _, s := range samples(t) {
		d, err := s.read(t, signAs(t, s.scheme, s.secret, now, s.body), s.body, s.secret)
		if err != nil {
			t.Fatalf("%s: %v", s.scheme, err)
		}
		e := want[s.scheme]
		e.DataContentType, e.Data = "application/json", []byte(s.body)
		if diff := cmp.Diff(&e, d.Event); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.scheme, diff)
		}
		if faults := d.Event.Validate(); len(faults) > 0 {
			t.Errorf("%s: %v", s.scheme, faults)
		}
	}
}

// TestPublishedVectors holds the signatures to those that the providers' own documentation computes.
func TestPublishedVectors(t *testing.T) {
	t.Parallel()
	const form = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com" +
		"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121." +
		"803a0bc887a14d10d2c447fce8b6703c"
	tests := []struct {
		scheme       webhook.Scheme
		secret, body string
		at           int64
		header       map[string]string
		fault        webhook.Fault // of what comes after the signature; -1 for none
	}{
		{webhook.Standard, standardSecret, `{"test": 2432232314}`, 1614265330, map[string]string{
			"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
			"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		}, -1},
		{webhook.GitHub, "It's a Secret to Everybody", "Hello, World!", 0, map[string]string{
			"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
			"X-GitHub-Event":      "ping", "X-GitHub-Delivery": "1",
		}, webhook.Unsupported},
		{webhook.Slack, plainSecret, form, 1531420618, map[string]string{
			"X-Slack-Signature":         "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
			"X-Slack-Request-Timestamp": "1531420618", "Content-Type": "application/x-www-form-urlencoded",
		}, webhook.Unsupported},
	}
	for _, tt := range tests {
		h := http.Header{}
		for name, value := range tt.header {
			h.Set(name, value)
		}
		r := webhook.Request{Header: h, Body: []byte(tt.body), Path: "/hook", Now: time.Unix(tt.at, 0)}
		_, err := tt.scheme.Read(r, keysOf(t, tt.scheme, tt.secret))
		if tt.fault < 0 && err != nil || tt.fault >= 0 && faultOf(err) != tt.fault {
			t.Errorf("%s: %v", tt.scheme, err)
		}
		if _, err := tt.scheme.Read(r, keysOf(t, tt.scheme, otherSecret)); faultOf(err) != webhook.Unsigned {
			t.Errorf("%s with another secret: %v", tt.scheme, err)
		}
	}
}

// otherSecret is a good one for every scheme.
const otherSecret = "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI="

func faultOf(err error) webhook.Fault {
	if refused, ok := errors.AsType[*webhook.Error](err); ok {
		return refused.Fault
	}
	return -1
}

// TestForgeries: nothing but the right signature of this very body gets through, whatever the scheme.
func TestForgeries(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		good := signAs(t, s.scheme, s.secret, now, s.body)
		signature := good.Get(s.signature)
		hexOrBase64 := signature[strings.LastIndexAny(strings.TrimSuffix(strings.TrimSuffix(signature, ",v0=00"), "="), "=,")+1:]
		hexOrBase64 = strings.TrimSuffix(hexOrBase64, ",v0=00")
		for name, forge := range map[string]func(h http.Header) string{
			"body with a space": func(http.Header) string { return s.body + " " },
			"empty body":        func(http.Header) string { return "" },
			"no signature":      func(h http.Header) string { h.Del(s.signature); return s.body },
			"empty signature":   func(h http.Header) string { h.Set(s.signature, ""); return s.body },
			"short signature":   func(h http.Header) string { replace(h, s.signature, hexOrBase64, hexOrBase64[:30]); return s.body },
			"long signature":    func(h http.Header) string { replace(h, s.signature, hexOrBase64, hexOrBase64+"0"); return s.body },
			"upper case": func(h http.Header) string {
				replace(h, s.signature, hexOrBase64, strings.ToUpper(hexOrBase64))
				return s.body
			},
			"the sum as base64url": func(h http.Header) string {
				replace(h, s.signature, hexOrBase64, base64.URLEncoding.EncodeToString(make([]byte, 33)))
				return s.body
			},
			"another secret's": func(h http.Header) string {
				h.Set(s.signature, signAs(t, s.scheme, otherSecret, now, s.body).Get(s.signature))
				return s.body
			},
		} {
			h := good.Clone()
			body := forge(h)
			if d, err := s.read(t, h, body, s.secret); faultOf(err) != webhook.Unsigned {
				t.Errorf("%s, %s: %v %v", s.scheme, name, d, err)
			} else if strings.Contains(err.Error(), hexOrBase64) || strings.Contains(err.Error(), s.secret) {
				t.Errorf("%s, %s: it tells too much: %v", s.scheme, name, err)
			}
		}
		if _, err := s.read(t, good, s.body); faultOf(err) != webhook.Unsigned {
			t.Errorf("%s without keys: %v", s.scheme, err)
		}
	}
}

func replace(h http.Header, name, before, after string) {
	h.Set(name, strings.Replace(h.Get(name), before, after, 1))
}

// TestSeveralSecrets: while a secret is changed, both are good.
func TestSeveralSecrets(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		for _, by := range []string{s.secret, otherSecret} {
			if _, err := s.read(t, signAs(t, s.scheme, by, now, s.body), s.body, otherSecret, s.secret); err != nil {
				t.Errorf("%s: %v", s.scheme, err)
			}
		}
	}
}

// TestTimes: a signature is good for five minutes, both ways, where its time is signed.
func TestTimes(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		if s.scheme == webhook.GitHub {
			continue
		}
		for off, good := range map[time.Duration]bool{
			-301 * time.Second: false, -300 * time.Second: true, 0: true, 300 * time.Second: true, 301 * time.Second: false,
		} {
			_, err := s.read(t, signAs(t, s.scheme, s.secret, now.Add(off), s.body), s.body, s.secret)
			if good != (err == nil) || !good && faultOf(err) != webhook.Unsigned {
				t.Errorf("%s at %s: %v", s.scheme, off, err)
			}
		}
		seconds := "1772600767" // now
		for _, bad := range []string{"0", "-1", "1e30", "1.5", " 1", "+1772600767", "１", "99999999999999", strings.Repeat("9", 400)} {
			h := signAs(t, s.scheme, s.secret, now, s.body)
			for _, name := range []string{"webhook-timestamp", "Stripe-Signature", "X-Slack-Request-Timestamp"} {
				replace(h, name, seconds, bad)
			}
			if _, err := s.read(t, h, s.body, s.secret); faultOf(err) != webhook.Malformed && bad != "0" || err == nil {
				t.Errorf("%s with the time %q: %v", s.scheme, bad, err)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, s := range webhook.Schemes() {
		for _, empty := range []string{"", " ", "\n", "whsec_"} {
			if _, err := s.Key([]byte(empty)); err == nil && (empty != "whsec_" || s == webhook.Standard) {
				t.Errorf("%s takes %q", s, empty)
			}
		}
	}
	for secret, want := range map[string]string{
		"whsec_not base64!": "want whsec_ and then the key in base64", "whsec_c2hvcnQ=": "the key has 5 bytes: want 24 to 64",
		strings.Repeat("abcd", 22): "the key has 66 bytes",
	} {
		if _, err := webhook.Standard.Key([]byte(secret)); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", secret, err)
		}
	}
	for _, s := range samples(t) {
		if _, err := s.read(t, signAs(t, s.scheme, s.secret, now, s.body), s.body, "\n "+s.secret+"\r\n"); err != nil {
			t.Errorf("%s with a line end after the secret: %v", s.scheme, err)
		}
	}
}

func TestUnknownScheme(t *testing.T) {
	t.Parallel()
	if _, err := webhook.Scheme("gitlab").Read(webhook.Request{}, nil); err == nil || !strings.Contains(err.Error(), "want one of") {
		t.Error(err)
	}
}
