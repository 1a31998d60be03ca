package access

import (
	"fmt"
	"strings"
	"testing"
)

// example is the policy that the tests of rules work on. deploy/docs/http-access.md has one like it.
const example = `
rules:
  - callers: [shop]
    subjects: [events.orders.>, events.*.urgent]
  - callers: ["corp:*"]
    paths: [/reports/*, /status]
    methods: [GET, HEAD]
  - groups: [corp:admins]
    paths: [/*]
    subjects: [events.>]
limits:
  - callers: [shop]
    rate: 2
    burst: 3
  - callers: ["*"]
    quota: {requests: 5, per: 1h}
`

func mustParse(t *testing.T, text string) *policy {
	t.Helper()
	p, err := parsePolicy([]byte(text), &policy{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRulesOfSubjects(t *testing.T) {
	t.Parallel()
	p := mustParse(t, example)
	admin := Caller{Name: "x", Groups: []string{"corp:users", "corp:admins"}}
	for _, c := range []struct {
		caller  Caller
		subject string
		ok      bool
	}{
		{Caller{Name: "shop"}, "events.orders.created", true},
		{Caller{Name: "shop"}, "events.bills.urgent", true},
		{Caller{Name: "shop"}, "events.orders", false},
		{Caller{Name: "shop"}, "events.bills.created", false},
		{Caller{Name: "shopx"}, "events.orders.created", false},
		{Caller{Name: "corp:ann"}, "events.orders.created", false},
		{admin, "events.bills.created", true},
	} {
		if got := p.mayPublish(c.caller, c.subject); (got == nil) != c.ok {
			t.Errorf("%s to %s: %+v, want %v", c.caller.Name, c.subject, got, c.ok)
		}
	}
	want := "Caller shop may not send events to events.x. Allowed subjects: events.*.urgent, events.orders.>."
	if got := p.mayPublish(Caller{Name: "shop"}, "events.x"); got.Reason != Forbidden || got.Detail != want {
		t.Errorf("got %+v, want %q", got, want)
	}
	if got := p.mayPublish(Caller{Name: "no"}, "events.x"); !strings.Contains(got.Detail, "subjects: none.") {
		t.Errorf("got %q", got.Detail)
	}
}

func TestRulesOfPaths(t *testing.T) {
	t.Parallel()
	p := mustParse(t, example)
	ann, admin := Caller{Name: "corp:ann"}, Caller{Name: "x", Groups: []string{"corp:admins"}}
	for _, c := range []struct {
		caller       Caller
		method, path string
		ok           bool
	}{
		{ann, "GET", "/status", true},
		{ann, "GET", "/status/", false},
		{ann, "POST", "/status", false},
		{ann, "GET", "/reports", true},
		{ann, "HEAD", "/reports/", true},
		{ann, "GET", "/reports/2026/11", true},
		{ann, "GET", "/reportsx", false},
		{ann, "GET", "/reports/../admin", false},
		{ann, "GET", "/reports/%2e%2e/admin", false},
		{ann, "GET", "/reports/..;/admin", false},
		{ann, "GET", `/reports/..\admin`, false},
		{ann, "GET", "/reports//admin", false},
		{ann, "GET", "/", false},
		{admin, "DELETE", "/any/thing/%2e%2e", true},
		{Caller{Name: "shop"}, "GET", "/status", false},
	} {
		if got := p.mayAsk(c.caller, c.method, c.path); (got == nil) != c.ok {
			t.Errorf("%s %s %s: %+v, want %v", c.caller.Name, c.method, c.path, got, c.ok)
		}
	}
	want := "Caller corp:ann may not GET /x. Allowed paths: GET HEAD /reports/*, GET HEAD /status."
	if got := p.mayAsk(ann, "GET", "/x"); got.Detail != want {
		t.Errorf("got %q, want %q", got.Detail, want)
	}
}

// TestNoRules lets everybody do everything; a long list of what is allowed is cut.
func TestNoRules(t *testing.T) {
	t.Parallel()
	open := mustParse(t, "limits: [{callers: [a], rate: 1}]")
	if open.mayAsk(Caller{Name: "a"}, "GET", "/x") != nil || open.mayPublish(Caller{Name: "a"}, "events.x") != nil {
		t.Error("something is refused without rules")
	}
	var many strings.Builder
	many.WriteString("rules:\n")
	for i := range 50 {
		fmt.Fprintf(&many, "  - {callers: [a], subjects: [events.s%d]}\n", i)
	}
	if got := mustParse(t, many.String()).mayPublish(Caller{Name: "a"}, "events.x"); !strings.Contains(got.Detail, "and 40 more") {
		t.Errorf("got %q", got.Detail)
	}
}

// TestPolicyAtFault: each mistake is named with its place.
func TestPolicyAtFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":           "it says nothing",
		"{}":         "it says nothing",
		"limits: []": "it says nothing",
		"rules:":     "rules: nothing follows",
		"rules: ~\nlimits: [{callers: [a], rate: 1}]": "rules: nothing follows",
		"rule: []":                "field rule not found",
		"rules: []":               "rules: there is none, so nobody could do anything",
		"rules: [{callers: [a]}]": "rules[0]: it allows nothing",
		"rules: [{paths: [/a]}]":  "rules[0]: it is for nobody",
		"rules: [{callers: ['a*b'], paths: [/a]}]":                                                        `rules[0].callers[0]: "a*b": want a name`,
		"rules: [{callers: [''], paths: [/a]}]":                                                           `rules[0].callers[0]: "": want a name`,
		"rules: [{callers: [a], paths: [a]}]":                                                             `rules[0].paths[0]: "a": want a path that begins with /`,
		"rules: [{callers: [a], paths: [/a*]}]":                                                           `rules[0].paths[0]: "/a*": want a path`,
		"rules: [{callers: [a], paths: [/a/../b]}]":                                                       `rules[0].paths[0]: "/a/../b": has an escape`,
		"rules: [{callers: [a], paths: [/events/*]}]":                                                     `rules[0].paths[0]: "/events/*": who may send events there is said by subjects`,
		"rules: [{callers: [a], paths: [/a], methods: [get]}]":                                            `rules[0].methods[0]: "get" is none of GET`,
		"rules: [{callers: [a], subjects: [orders]}]":                                                     `rules[0].subjects[0]: "orders": over HTTP events are sent to subjects that begin with events.`,
		"rules: [{callers: [a], subjects: [events..x]}]":                                                  `rules[0].subjects[0]: "events..x"`,
		"limits: [{callers: ['*']}]":                                                                      "limits[0]: it bounds nothing",
		"limits: [{rate: 1}]":                                                                             "limits[0].callers: is missing",
		"limits: [{callers: [a], rate: -1}]":                                                              "limits[0]: a number is below zero",
		"limits: [{callers: [a], rate: .nan}]":                                                            "limits[0]: a number is below zero",
		"limits: [{callers: [a], burst: 1, quota: {requests: 1, per: 1h}}]":                               "limits[0].burst: is set, and rate is not",
		"limits: [{callers: [a], quota: {requests: 1}}]":                                                  "limits[0].quota: want requests and per",
		"limits: [{callers: [a], quota: {requests: 1, per: day}}]":                                        `line 1: "day" is not a duration`,
		"issuers: [{name: 'a:b', issuer: https://a, audience: x}]":                                        `issuers[0].name: "a:b" is not`,
		"issuers: [{name: a, issuer: http://a.example, audience: x}]":                                     `issuers[0].issuer: "http://a.example": want https://`,
		"issuers: [{name: a, issuer: a.example, audience: x}]":                                            `issuers[0].issuer: "a.example" is not an address`,
		"issuers: [{name: a, issuer: https://a}]":                                                         "issuers[0].audience: is missing",
		"issuers: [{name: a, issuer: https://a, audience: x, ca: /no/such}]":                              "issuers[0].ca: stat /no/such",
		"issuers: [{name: a, issuer: https://a, audience: x}, {name: a, issuer: https://b, audience: x}]": "issuers[1]: it has the name",
		"{}\n---\n{}": "more than one document",
		"rules: 5":    "line 1: cannot unmarshal",
	} {
		if _, err := parsePolicy([]byte(text), &policy{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %q", text, err, want)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("issuers: [{name: a, issuer: https://a, audience: x}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePolicy(text, &policy{})
		if err == nil {
			_ = p.mayAsk(Caller{Name: "a"}, "GET", "/a/b")
			_ = p.mayPublish(Caller{Name: "a"}, "events.a")
		}
	})
}

func FuzzTokens(f *testing.F) {
	f.Add([]byte("shop " + shopToken + "\nmail " + sha(mailToken)))
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, err := parseTokens(text)
		if err == nil && len(tokens.owners) == 0 {
			t.Error("a file without callers is taken")
		}
	})
}
