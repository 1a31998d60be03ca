package bridge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/webhook"
)

// badHookKey signs, and badHookSecret is how the providers show it.
const badHookKey = "0123456789abcdefghijklmnopqrstuv"

var badHookSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(badHookKey))

// hookRoutes gives each scheme a path of its name.
func hookRoutes(t *testing.T, b *bridge) {
	file := filepath.Join(t.TempDir(), "webhook")
	writeSecret(t, file, badHookSecret)
	var routes []Route
	for _, s := range webhook.Schemes() {
		routes = append(routes, Route{Path: "/" + string(s), Namespace: "shop", Function: "f", Webhook: &Webhook{
			Scheme: s, Secrets: []SecretFile{{Path: file}},
		}})
	}
	if err := b.SetRoutes(routes); err != nil {
		t.Fatal(err)
	}
}

// hookSigner makes the headers of a provider for a time and a body.
type hookSigner struct {
	scheme    webhook.Scheme
	signature string // the header with the signature
	body      string
	sign      func(at, body string) []string
}

func hookSigners(secret string) []hookSigner {
	key := strings.Replace(secret, badHookSecret, badHookKey, 1)
	return []hookSigner{
		{webhook.Standard, "Webhook-Signature", `{"type":"a"}`, func(at, body string) []string {
			mac := hmac.New(sha256.New, []byte(key))
			mac.Write([]byte("1." + at + "." + body))
			return []string{
				"Webhook-Id", "1", "Webhook-Timestamp", at, "Webhook-Signature", "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
			}
		}},
		{webhook.GitHub, "X-Hub-Signature-256", `{"ref":"a"}`, func(_, body string) []string {
			return []string{"X-Github-Delivery", "1", "X-Github-Event", "push", "X-Hub-Signature-256", "sha256=" + hexOf(secret, body)}
		}},
		{webhook.Stripe, "Stripe-Signature", `{"id":"evt_1","type":"invoice.paid"}`, func(at, body string) []string {
			return []string{"Stripe-Signature", "t=" + at + ",v1=" + hexOf(secret, at+"."+body)}
		}},
		{webhook.Slack, "X-Slack-Signature", `{"type":"event_callback","event_id":"E1","event":{"type":"a"}}`, func(at, body string) []string {
			return []string{"X-Slack-Request-Timestamp", at, "X-Slack-Signature", "v0=" + hexOf(secret, "v0:"+at+":"+body)}
		}},
	}
}

// hookRow is a request to a webhook: 401 for what nobody has signed, 400 for what no provider sends, 415 for another type.
func hookRow(id string, s hookSigner, name string, status int, header []string, body string, says ...string) badRow {
	row := badRow{
		name: fmt.Sprintf("[%s] %s, %s", id, s.scheme, name), status: status, says: append([]string{"webhook"}, says...),
		code:   map[int]string{401: "invalid-signature", 400: "invalid-webhook", 415: "unsupported-media-type"}[status],
		header: map[int]string{401: `Www-Authenticate: Webhook realm="pelton"`, 415: "Accept-Post: application/json"}[status],
	}
	if !slices.Contains(header, "Content-Type") {
		header = append(header, "Content-Type", "application/json")
	}
	row.request = wirePost("/"+string(s.scheme), body, header...)
	return row
}

// soon is a time that is good for as long as the suite may take.
func soon() string { return fmt.Sprint(time.Now().Add(2 * time.Minute).Unix()) }

func webhookRows() []badRow {
	var rows []badRow
	others := hookSigners("whsec_of another endpoint, which is not known here")
	for i, s := range hookSigners(badHookSecret) {
		good := s.sign(soon(), s.body)
		rows = append(rows, hookHeaderRows(s, good)...)
		rows = append(rows, hookSignatureRows(s, good)...)
		rows = append(rows,
			hookRow("W11", s, "the secret of another endpoint", 401, others[i].sign(soon(), s.body), s.body),
			hookRow("W03", s, "a space more", 401, good, s.body+" "),
			hookRow("W03", s, "a byte less", 401, good, s.body[:len(s.body)-1]),
			hookRow("W03", s, "no body", 401, good, ""))
		if s.scheme != webhook.GitHub {
			rows = append(rows, hookTimeRows(s)...)
		}
		if s.scheme != webhook.Standard {
			rows = append(rows,
				hookRow("W03", s, "signed, and no JSON", 400, s.sign(soon(), "{"), "{", "JSON"),
				hookRow("W03", s, "signed, as a form", 415, append(s.sign(soon(), "a=b"), "Content-Type", "application/x-www-form-urlencoded"),
					"a=b", "application/json"))
		}
	}
	return append(rows, hookSchemeRows()...)
}

func hookHeaderRows(s hookSigner, good []string) []badRow {
	var rows []badRow
	for i := 0; i < len(good); i += 2 {
		empty, twice := slices.Clone(good), slices.Clone(good)
		empty[i+1] = ""
		twice = append(twice, good[i], good[i+1])
		rows = append(rows,
			hookRow("W01", s, "no "+good[i], 401, slices.Delete(slices.Clone(good), i, i+2), s.body, good[i], "missing"),
			hookRow("W01", s, "an empty "+good[i], 401, empty, s.body, good[i], "missing"),
			hookRow("W01", s, good[i]+" twice", 400, twice, s.body, good[i], "once"))
	}
	return rows
}

func hookSignatureRows(s hookSigner, good []string) []badRow {
	at := slices.Index(good, s.signature) + 1
	start := strings.LastIndexAny(strings.TrimRight(good[at], "="), ",=") + 1
	head, signature := good[at][:start], good[at][start:]
	var rows []badRow
	for _, c := range []struct{ name, value string }{
		{"a signature that is cut", signature[:len(signature)-2]},
		{"a signature that is longer", signature + "00"},
		{"a signature in upper case", strings.ToUpper(signature)},
		{"one wrong character", "!" + signature[1:]},
		{"a signature in quotes", `"` + signature + `"`},
		{"a signature of nothing", "0"},
	} {
		bad := slices.Clone(good)
		bad[at] = head + c.value
		rows = append(rows, hookRow("W02", s, c.name, 401, bad, s.body))
	}
	return rows
}

func hookTimeRows(s hookSigner) []badRow {
	now := time.Now().Unix()
	var rows []badRow
	for _, c := range []struct {
		name, at string
		status   int
	}{
		{"301 s ago", fmt.Sprint(now - 301), 401},
		{"a day ago", fmt.Sprint(now - 86400), 401},
		{"in an hour", fmt.Sprint(now + 3600), 401},
		{"1970", "0", 401},
		{"negative", "-1", 400},
		{"with an exponent", "1e9", 400},
		{"with a fraction", fmt.Sprint(now, ".5"), 400},
		{"of 30 digits", strings.Repeat("1", 30), 400},
		{"with a space", "1 1", 400},
		{"in hexadecimal", "0x1", 400},
	} {
		rows = append(rows, hookRow("W04", s, "a time "+c.name, c.status, s.sign(c.at, s.body), s.body))
	}
	return rows
}

// hookSchemeRows are what only one scheme has: versions, ids and payloads.
func hookSchemeRows() []badRow {
	signers := hookSigners(badHookSecret)
	standard, github, stripe, slack := signers[0], signers[1], signers[2], signers[3]
	at := soon()
	sig := func(value string) []string {
		return []string{"Webhook-Id", "1", "Webhook-Timestamp", at, "Webhook-Signature", value}
	}
	id := func(value string) []string {
		return []string{"Webhook-Id", value, "Webhook-Timestamp", at, "Webhook-Signature", "v1,a"}
	}
	rows := []badRow{
		hookRow("W05", standard, "v0 only", 401, sig("v0,a"), "{}", "v1"),
		hookRow("W05", standard, "v1a only", 401, sig("v1a,a"), "{}", "v1"),
		hookRow("W05", standard, "no version", 401, sig("a"), "{}", "v1"),
		hookRow("W05", stripe, "v0 only", 401, []string{"Stripe-Signature", "t=" + at + ",v0=a"}, "{}", "v1"),
		hookRow("W05", stripe, "no time", 401, []string{"Stripe-Signature", "v1=a"}, "{}", "t=TIME"),
		hookRow("W05", stripe, "two times", 400, []string{"Stripe-Signature", "t=1,t=" + at + ",v1=a"}, "{}", "t=TIME"),
		hookRow("W05", stripe, "no name", 400, []string{"Stripe-Signature", "t=" + at + ",a"}, "{}", "v1=SIGNATURE"),
		hookRow("W06", standard, "17 signatures", 400, sig(strings.Repeat("v1,a ", 17)), "{}", "17", "at most 16"),
		hookRow("W06", standard, "1,000 signatures", 400, sig(strings.Repeat("v1,a ", 1000)), "{}", "1000", "at most 16"),
		hookRow("W06", stripe, "1,000 signatures", 400, []string{"Stripe-Signature", "t=" + at + strings.Repeat(",v1=a", 1000)}, "{}", "at most 16"),
		hookRow("W07", standard, "an id with a dot", 400, id("a.b"), "{}", "dot"),
		hookRow("W07", standard, "an id with a space", 400, id("a b"), "{}", "visible"),
		hookRow("W07", standard, "an id of 256 characters", 400, id(strings.Repeat("a", 256)), "{}", "255"),
		hookRow("W09", github, "SHA-1 only", 401, []string{
			"X-Github-Delivery", "1", "X-Github-Event", "push", "X-Hub-Signature", "sha1=a",
		}, "{}", "X-Hub-Signature-256"),
		hookRow("W10", slack, "a challenge that nobody signed", 401, []string{"X-Slack-Request-Timestamp", at, "X-Slack-Signature", "v0=a"},
			`{"type":"url_verification","challenge":"a"}`),
	}
	for _, body := range []string{
		`{"type":"url_verification"}`, `{"type":"url_verification","challenge":"a b"}`, `{"type":"other"}`, `{}`,
		`{"type":"event_callback"}`, `{"type":"event_callback","event_id":"1"}`,
	} {
		rows = append(rows, hookRow("W10", slack, "signed, with "+body, 400, slack.sign(at, body), body))
	}
	for _, body := range []string{`{}`, `{"id":"1"}`, `{"type":"a"}`, `{"id":"a b","type":"a"}`, `{"id":"1","type":"a b"}`, `[]`} {
		rows = append(rows, hookRow("W07", stripe, "signed, with "+body, 400, stripe.sign(at, body), body))
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		rows = append(rows, badRow{
			name: "[W01] " + method + " of a webhook", request: wireHead(method, "/github") + "\r\n", status: 405, code: "method-not-allowed",
			says: []string{"POST"}, header: "Allow: POST, OPTIONS",
		})
	}
	return rows
}
