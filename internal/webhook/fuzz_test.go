package webhook_test

import (
	"net/http"
	"testing"

	"github.com/pelton-dev/pelton/internal/webhook"
)

// FuzzHeaders: no header without the secret gets through, and none brings a panic.
func FuzzHeaders(f *testing.F) {
	for _, s := range samples(f) {
		h := signAs(f, s.scheme, s.secret, now, s.body)
		f.Add(string(s.scheme), h.Get(s.signature), h.Get("webhook-id"), h.Get("webhook-timestamp"), s.body)
	}
	f.Add("stripe", "t=1,v1=,v1", "", "", "")
	f.Fuzz(func(t *testing.T, scheme, signature, id, seconds, body string) {
		h := http.Header{"Content-Type": {"application/json"}}
		for _, name := range []string{"webhook-signature", "X-Hub-Signature-256", "Stripe-Signature", "X-Slack-Signature"} {
			h.Set(name, signature)
		}
		for _, name := range []string{"webhook-id", "X-GitHub-Delivery", "X-GitHub-Event"} {
			h.Set(name, id)
		}
		h.Set("webhook-timestamp", seconds)
		h.Set("X-Slack-Request-Timestamp", seconds)
		key := []byte("a key that no seed is signed with")
		r := webhook.Request{Header: h, Body: []byte(body), Path: "/hook", Now: now}
		if d, err := webhook.Scheme(scheme).Read(r, [][]byte{key}); err == nil {
			t.Fatalf("got through: %+v", d)
		}
	})
}

// FuzzPayload: whatever a provider signs becomes a valid event, a challenge or a refusal.
func FuzzPayload(f *testing.F) {
	for i, s := range samples(f) {
		f.Add(i, s.body)
	}
	f.Add(3, `{"type": "url_verification", "challenge": "x"}`)
	f.Add(1, `{"repository": {"html_url": "https://github.com/ü b"}, "number": 1e9999}`)
	f.Fuzz(func(t *testing.T, n int, body string) {
		all := webhook.Schemes()
		s := sample{scheme: all[((n%len(all))+len(all))%len(all)], secret: otherSecret}
		d, err := s.read(t, signAs(t, s.scheme, s.secret, now, body), body, s.secret)
		switch {
		case err != nil && faultOf(err) < 0:
			t.Fatalf("not an error of ours: %v", err)
		case err != nil && faultOf(err) == webhook.Unsigned:
			t.Fatalf("refused a good signature: %v", err)
		case err == nil && d.Event == nil && d.Challenge == "":
			t.Fatal("it is nothing")
		case err == nil && d.Event != nil:
			if faults := d.Event.Validate(); len(faults) > 0 {
				t.Fatalf("%+v: %v", d.Event, faults)
			}
		}
	})
}
