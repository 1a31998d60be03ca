package webhook_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/webhook"
)

// providerTest is a request with a good signature for its body, changed.
type providerTest struct {
	name   string
	body   string
	change func(http.Header)
	fault  webhook.Fault
	says   string
}

func set(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }

func TestProvidersRules(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= ", 1000)
	for scheme, tests := range map[webhook.Scheme][]providerTest{
		webhook.Standard: {
			{"no id", "{}", set("webhook-id", ""), webhook.Unsigned, "Webhook-Id is missing"},
			{"no time", "{}", set("webhook-timestamp", ""), webhook.Unsigned, "Webhook-Timestamp is missing"},
			{"id with a dot", "{}", set("webhook-id", "msg.1"), webhook.Malformed, "has a dot"},
			{"another id", "{}", set("webhook-id", "msg_2"), webhook.Unsigned, "no signature"},
			{"long id", "{}", set("webhook-id", strings.Repeat("a", 256)), webhook.Malformed, "256 bytes"},
			{"id with a space", "{}", set("webhook-id", "a b"), webhook.Malformed, "visible"},
			{"two ids", "{}", func(h http.Header) { h.Add("webhook-id", "msg_1") }, webhook.Malformed, "there 2 times"},
			{"1000 signatures", "{}", set("webhook-signature", many), webhook.Malformed, "1000 signatures: want at most 16"},
			{"other versions", "{}", set("webhook-signature", "v0,a v1a,b v2,c"), webhook.Unsigned, "no signature of version v1"},
		},
		webhook.GitHub: {
			{"no delivery", "{}", set("X-GitHub-Delivery", ""), webhook.Unsigned, "X-Github-Delivery is missing"},
			{"no event", "{}", set("X-GitHub-Event", ""), webhook.Unsigned, "X-Github-Event is missing"},
			{"odd event", "{}", set("X-GitHub-Event", "pu sh"), webhook.Malformed, "X-GitHub-Event is not the name"},
			{"form", "{}", set("Content-Type", "application/x-www-form-urlencoded"), webhook.Unsupported, "in the settings of the webhook"},
			{"no JSON", "{", nil, webhook.Malformed, "is not JSON"},
			{"SHA-1 alone", "{}", func(h http.Header) {
				h.Del("X-Hub-Signature-256")
				h.Set("X-Hub-Signature", "sha1=3dca279e731c97c38e3019a075dee9ebbd0a99f0")
			}, webhook.Unsigned, "only a signature by SHA-1"},
		},
		webhook.Stripe: {
			{"v0 alone", "{}", set("Stripe-Signature", "t=1772600767,v0=aa"), webhook.Unsigned, "no signature v1"},
			{"no time", "{}", set("Stripe-Signature", "v1=aa"), webhook.Unsigned, "no time t"},
			{"two times", "{}", set("Stripe-Signature", "t=1,t=2,v1=aa"), webhook.Malformed, "want t=TIME,v1=SIGNATURE"},
			{"no items", "{}", set("Stripe-Signature", "what"), webhook.Malformed, "want t=TIME"},
			{"1000 signatures", "{}", set("Stripe-Signature", "t=1"+strings.Repeat(",v1=aa", 1000)), webhook.Malformed, "1001 items"},
			{"no id", `{"type": "invoice.paid"}`, nil, webhook.Malformed, "the id of Stripe's event"},
			{"no type", `{"id": "evt_1"}`, nil, webhook.Malformed, "the type of Stripe's event"},
			{"a list", `[]`, nil, webhook.Malformed, "the id of Stripe's event"},
		},
		webhook.Slack: {
			{"no time", "{}", set("X-Slack-Request-Timestamp", ""), webhook.Unsigned, "X-Slack-Request-Timestamp is missing"},
			{"no type", "{}", nil, webhook.Malformed, "want event_callback"},
			{"command", "a=b", set("Content-Type", "application/x-www-form-urlencoded"), webhook.Unsupported, "Events API"},
			{"no id", `{"type": "event_callback"}`, nil, webhook.Malformed, "event_id"},
			{"no event", `{"type": "event_callback", "event_id": "Ev1"}`, nil, webhook.Malformed, "the type of Slack's event"},
			{"no challenge", `{"type": "url_verification"}`, nil, webhook.Malformed, "challenge"},
			{"odd challenge", `{"type": "url_verification", "challenge": "<b>\n"}`, nil, webhook.Malformed, "challenge"},
		},
	} {
		for _, tt := range tests {
			s := sample{scheme: scheme, secret: otherSecret}
			h := signAs(t, scheme, s.secret, now, tt.body)
			if tt.change != nil {
				tt.change(h)
			}
			_, err := s.read(t, h, tt.body, s.secret)
			if faultOf(err) != tt.fault || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s, %s: %v", scheme, tt.name, err)
			}
		}
	}
}

// TestAttributes: what else of a payload becomes an attribute.
func TestAttributes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scheme                webhook.Scheme
		kind, body            string
		wantType, wantSubject string
	}{
		{webhook.GitHub, "issues", `{"action": "opened", "issue": {"number": 7}}`, "com.github.issues.opened", "7"},
		{webhook.GitHub, "pull_request", `{"action": "closed", "number": 8}`, "com.github.pull_request.closed", "8"},
		{webhook.GitHub, "ping", `{"zen": "Design for failure.", "hook_id": 1}`, "com.github.ping", ""},
		{webhook.GitHub, "odd", `{"action": {"a": 1}, "ref": ["x"], "number": "y", "repository": 3}`, "com.github.odd", ""},
		{webhook.Stripe, "", `{"id": "evt_1", "type": "v1.billing.meter.no_meter_found", "created": "2026-01-02T03:04:05Z", "related_object": {"id": "m_1"}}`, "com.stripe.v1.billing.meter.no_meter_found", "m_1"},
		{webhook.Slack, "", `{"type": "event_callback", "event_id": "Ev1", "event": {"type": "channel_created", "channel": {"id": "C1"}}}`, "com.slack.channel_created", ""},
		{webhook.Slack, "", `{"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1518467820}`, "com.slack.app_rate_limited", ""},
		{webhook.Standard, "", `not JSON`, "dev.pelton.webhook", ""},
		{webhook.Standard, "", `{"type": "two words"}`, "dev.pelton.webhook", ""},
	}
	for _, tt := range tests {
		s := sample{scheme: tt.scheme, secret: otherSecret}
		h := signAs(t, tt.scheme, s.secret, now, tt.body)
		if tt.kind != "" {
			h.Set("X-GitHub-Event", tt.kind)
		}
		d, err := s.read(t, h, tt.body, s.secret)
		if err != nil || d.Event.Type != tt.wantType || d.Event.Subject != tt.wantSubject {
			t.Errorf("%s %s: %+v %v", tt.scheme, tt.body, d.Event, err)
			continue
		}
		if faults := d.Event.Validate(); len(faults) > 0 {
			t.Errorf("%s %s: %v", tt.scheme, tt.body, faults)
		}
	}
}

// TestChallenge: Slack's question is answered only if Slack has asked it.
func TestChallenge(t *testing.T) {
	t.Parallel()
	const body = `{"token": "x", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", "type": "url_verification"}`
	s := sample{scheme: webhook.Slack, secret: plainSecret}
	d, err := s.read(t, signAs(t, s.scheme, s.secret, now, body), body, s.secret)
	if err != nil || d.Event != nil || d.Challenge != "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" {
		t.Errorf("%+v %v", d, err)
	}
	if d, err := s.read(t, signAs(t, s.scheme, otherSecret, now, body), body, s.secret); faultOf(err) != webhook.Unsigned || d.Challenge != "" {
		t.Errorf("unsigned: %+v %v", d, err)
	}
}
