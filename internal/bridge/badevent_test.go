package bridge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
)

// binaryHead writes an event's headers for the wire; overrides replace or, when empty, remove one. A value of two lines
// makes two headers.
func binaryHead(overrides ...string) string {
	attributes := [][2]string{{"ce-specversion", "1.0"}, {"ce-id", "1"}, {"ce-source", "/s"}, {"ce-type", "t"}}
	for i := 0; i+1 < len(overrides); i += 2 {
		found := false
		for j := range attributes {
			if attributes[j][0] == overrides[i] {
				attributes[j][1], found = overrides[i+1], true
			}
		}
		if !found {
			attributes = append(attributes, [2]string{overrides[i], overrides[i+1]})
		}
	}
	head := wireHead("POST", "/events/x")
	for _, a := range attributes {
		for value := range strings.SplitSeq(a[1], "\n") {
			if a[1] != "<none>" {
				head += a[0] + ": " + value + "\r\n"
			}
		}
	}
	return head + "Content-Length: 2\r\n\r\n{}"
}

// TestBadBinaryEventsAreRefused goes through the binary half of reliability.md 3.2.
func TestBadBinaryEventsAreRefused(t *testing.T) {
	t.Parallel()
	b := serve(t)
	tests := []struct {
		name, request, code string
		faults              int
	}{
		{
			"[C01] nothing but a version", binaryHead("ce-id", "<none>", "ce-source", "<none>", "ce-type", "<none>"),
			"missing-attribute", 3,
		},
		{
			"[C01] nothing but an id", binaryHead("ce-specversion", "<none>", "ce-source", "<none>", "ce-type", "<none>"),
			"missing-attribute", 3,
		},
		{"[C01] empty id and type", binaryHead("ce-id", "", "ce-type", ""), "missing-attribute", 2},
		{"[C01] blank id", binaryHead("ce-id", "%20"), "invalid-attribute", 1},
		{"[C02] version 0.3", binaryHead("ce-specversion", "0.3"), "unsupported-specversion", 1},
		{"[C02] version 2.0", binaryHead("ce-specversion", "2.0"), "unsupported-specversion", 1},
		{"[C02] version 1.0.2", binaryHead("ce-specversion", "1.0.2"), "unsupported-specversion", 1},
		{"[C03] NUL in the id", binaryHead("ce-id", "a%00b"), "invalid-attribute", 1},
		{"[C03] line break in the id", binaryHead("ce-id", "a%0D%0Ab"), "invalid-attribute", 1},
		{"[C03] C1 control", binaryHead("ce-id", "%C2%85"), "invalid-attribute", 1},
		{"[C03] non-character", binaryHead("ce-id", "%EF%BF%BF"), "invalid-attribute", 1},
		{"[C05] two ids", binaryHead("ce-id", "a\nb"), "duplicate-header", 1},
		{"[C07] overlong encoding", binaryHead("ce-subject", "%C0%A0"), "invalid-encoding", 1},
		{"[C07] no hex digits", binaryHead("ce-subject", "%zz"), "invalid-encoding", 1},
		{"[C07] lone percent", binaryHead("ce-subject", "100%"), "invalid-encoding", 1},
		{"[C08] data content type as attribute", binaryHead("ce-datacontenttype", "text/plain"), "forbidden-header", 1},
		{"[C09] bytes over 0x7E", binaryHead("ce-subject", "caf\xc3\xa9"), "invalid-encoding", 1},
		{"[C10] underscore in a name", binaryHead("ce-my_name", "1"), "invalid-attribute-name", 1},
		{"[C11] value of 10 kB", binaryHead("ce-big", strings.Repeat("x", 10_000)), "attribute-too-long", 1},
		{"[C12] a time that is none", binaryHead("ce-time", "yesterday"), "invalid-attribute", 1},
		{"[C12] a time without zone", binaryHead("ce-time", "2026-01-02T03:04:05"), "invalid-attribute", 1},
		{"[C13] source with a space", binaryHead("ce-source", "a%20b"), "invalid-attribute", 1},
		{"[C13] relative schema", binaryHead("ce-dataschema", "/x"), "invalid-attribute", 1},
		{"[C13] empty subject", binaryHead("ce-subject", ""), "invalid-attribute", 1},
		{
			"many at once", binaryHead("ce-specversion", "9", "ce-id", "<none>", "ce-source", "a%20b", "ce-time", "x"),
			"invalid-event", 4,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := b.count(t)
			a, _ := b.wire(t, tt.request)
			p := wantProblem(t, a, http.StatusBadRequest, tt.code)
			if len(p.Errors) != tt.faults {
				t.Errorf("%d errors, want %d: %s", len(p.Errors), tt.faults, a.body)
			}
			for _, f := range p.Errors {
				if f.Header == "" || f.Code == "" || f.Detail == "" {
					t.Errorf("error %+v does not name its header", f)
				}
			}
			b.unharmed(t, before)
		})
	}
}

// document is a structured event with some members replaced or added.
func document(members ...string) string {
	base := [][2]string{{"specversion", `"1.0"`}, {"id", `"1"`}, {"source", `"/s"`}, {"type", `"t"`}}
	for i := 0; i+1 < len(members); i += 2 {
		base = append(base, [2]string{members[i], members[i+1]})
		for j := range base[:4] {
			if base[j][0] == members[i] {
				base[j][1], base = members[i+1], base[:len(base)-1]
				break
			}
		}
	}
	var parts []string
	for _, m := range base {
		parts = append(parts, fmt.Sprintf("%q:%s", m[0], m[1]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// TestBadStructuredEventsAreRefused goes through the structured half of reliability.md 3.2.
func TestBadStructuredEventsAreRefused(t *testing.T) {
	t.Parallel()
	b := serve(t)
	tests := []struct {
		name, body, code string
	}{
		{"[C01] empty object", `{}`, "missing-attribute"},
		{"[C02] version as a number", document("specversion", "1"), ""},
		{"[C02] version 0.3", document("specversion", `"0.3"`), "unsupported-specversion"},
		{"[C03] NUL", document("id", `"a\u0000"`), "invalid-attribute"},
		{"[C03] CRLF", document("id", `"a\r\n"`), "invalid-attribute"},
		{"[C03] non-character", document("id", `"\uffff"`), "invalid-attribute"},
		{"[C03] unpaired surrogate", document("id", `"\ud800"`), ""},
		{"[C03] invalid UTF-8", document("id", "\"\xff\""), ""},
		{"[C04] id twice", `{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"t"}`, "duplicate-member"},
		{"[C04] ID for id", `{"specversion":"1.0","ID":"1","source":"/s","type":"t"}`, ""},
		{"[C10] upper-case extension", document("Ext", `"1"`), "invalid-attribute-name"},
		{"[C10] underscore in an extension", document("my_ext", `"1"`), "invalid-attribute-name"},
		{"[C11] fraction", document("ext", "1.5"), "invalid-attribute"},
		{"[C11] 2^31", document("ext", "2147483648"), "invalid-attribute"},
		{"[C11] object", document("ext", "{}"), "invalid-attribute"},
		{"[C11] array", document("ext", "[]"), "invalid-attribute"},
		{"[C11] 10 kB", document("ext", `"`+strings.Repeat("x", 10_000)+`"`), "attribute-too-long"},
		{"[C12] yesterday", document("time", `"yesterday"`), "invalid-attribute"},
		{"[C12] year 10000", document("time", `"10000-01-01T00:00:00Z"`), "invalid-attribute"},
		{"[C13] source with a space", document("source", `"a b"`), "invalid-attribute"},
		{"[C13] source with a broken escape", document("source", `"%zz"`), "invalid-attribute"},
		{"[C13] empty source", document("source", `""`), "missing-attribute"},
		{"[C13] relative schema", document("dataschema", `"x"`), "invalid-attribute"},
		{"[C13] empty subject", document("subject", `""`), "invalid-attribute"},
		{"[C14] data twice", document("data", "1", "data_base64", `"MQ=="`), ""},
		{"[C14] bad base64", document("data_base64", `"*"`), "invalid-data"},
		{"[C14] base64url", document("data_base64", `"-_-_"`), "invalid-data"},
		{"[C15] content type that is none", document("datacontenttype", `"///"`), "invalid-attribute"},
		{"[C18] trailing garbage", document() + "x", "invalid-json"},
		{"[C18] byte order mark", "\ufeff" + document(), "invalid-json"},
		{"[C18] null", "null", ""},
		{"[C18] array", "[]", ""},
		{"[C18] nothing", "", "invalid-json"},
		{"[C18] 10,000 deep", document("data", strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)), ""},
		{"unknown type of the same name", document("type", "7"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := b.count(t)
			a := b.post(t, "/events/x", tt.body, "Content-Type", structured)
			if tt.code == "" {
				tt.code = a.code()
			}
			wantProblem(t, a, http.StatusBadRequest, tt.code)
			b.unharmed(t, before)
		})
	}
}

func TestOddStructuredEventsAreTaken(t *testing.T) {
	t.Parallel()
	b := serve(t)
	tests := []struct {
		name, body string
		check      func(*event.Event) bool
	}{
		{"[C11] null is unset", document("ext", "null"), func(e *event.Event) bool { return len(e.Extensions) == 0 }},
		{"[C11] true", document("ext", "true"), func(e *event.Event) bool { v, _ := e.Extension("ext"); return v == "true" }},
		{
			"[C12] leap second", document("time", `"2016-12-31T23:59:60Z"`),
			func(e *event.Event) bool { return e.Time == "2016-12-31T23:59:60Z" },
		},
		{"[C12] null time", document("time", "null"), func(e *event.Event) bool { return e.Time == "" }},
		{"[C15] own case", document("datacontenttype", `"TEXT/Plain; CharSet=UTF-8"`, "data", `"a"`), func(e *event.Event) bool {
			return e.DataContentType == "TEXT/Plain; CharSet=UTF-8" && string(e.Data) == "a"
		}},
		{
			"[C15] JSON text in JSON", document("datacontenttype", `"application/a+json"`, "data", `"{}"`),
			func(e *event.Event) bool { return string(e.Data) == `"{}"` },
		},
		{"[C18] big numbers in data", document("data", `[1e400,`+strings.Repeat("9", 100)+`]`), func(e *event.Event) bool {
			return string(e.Data) == `[1e400,`+strings.Repeat("9", 100)+`]`
		}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := strings.Replace(tt.body, `"id":"1"`, fmt.Sprintf(`"id":"%d"`, i), 1)
			e := b.decoded(t, wantAccepted(t, b.post(t, "/events/x", body, "Content-Type", structured)).Sequence)
			if !tt.check(e) {
				t.Errorf("stored %+v, data %q", e, e.Data)
			}
		})
	}
	t.Run("[C16] the body wins", func(t *testing.T) {
		got := wantAccepted(t, b.post(t, "/events/x", document("id", `"body"`), "Content-Type", structured, "ce-id", "header",
			"ce-specversion", "9"))
		if got.ID != "body" {
			t.Errorf("id %q", got.ID)
		}
	})
}

// TestBadBatchesStoreNothing is row C19.
func TestBadBatchesStoreNothing(t *testing.T) {
	t.Parallel()
	b := serve(t)
	good := func(i int) string { return document("id", fmt.Sprintf(`"g%d"`, i)) }
	many := func(n int) string {
		var items []string
		for i := range n {
			items = append(items, good(i))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	tests := []struct {
		name, path, body string
		status           int
		code, names      string
	}{
		{"101 events", "/events/x", many(101), 413, "batch-too-large", ""},
		{"one bad", "/events/x", "[" + good(0) + "," + document("id", `""`) + "," + good(2) + "]", 400, "missing-attribute", "/1"},
		{
			"bad in several", "/events/x",
			"[" + document("id", `""`) + "," + good(1) + "," + document("type", `""`, "time", `"x"`) + "]",
			400, "invalid-event", "/2",
		},
		{"one that is no object", "/events/x", "[" + good(0) + ",7]", 400, "", "/1"},
		{"no array", "/events/x", good(0), 400, "", ""},
		{"cut short", "/events/x", "[" + good(0), 400, "invalid-json", ""},
		{
			"a type that is no subject", "/events", "[" + good(0) + "," + document("id", `"2"`, "type", `"a b"`) + "]", 400,
			"type-is-no-subject", "Event 1",
		},
		{
			"30 bad ones", "/events/x", "[" + strings.Repeat(document("id", `""`)+",", 29) + document("id", `""`) + "]", 400,
			"missing-attribute", "/19",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := b.count(t)
			a := b.post(t, tt.path, tt.body, "Content-Type", batch)
			if tt.code == "" {
				tt.code = a.code()
			}
			wantProblem(t, a, tt.status, tt.code)
			if !strings.Contains(string(a.body), tt.names) {
				t.Errorf("%q is not named: %s", tt.names, a.body)
			}
			b.unharmed(t, before)
		})
	}
}

// TestTypesThatAreNoSubject: an attribute never becomes part of a subject as it is.
func TestTypesThatAreNoSubject(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for _, kind := range []string{
		"*", ">", "a.*", "a.>", "a b", "a..b", ".a", "a.", "a/b", "é", "$JS.API",
		strings.Repeat("a", 65), strings.Repeat("a.", 17) + "a",
	} {
		before := b.count(t)
		a := b.post(t, "/events", document("type", fmt.Sprintf("%q", kind)), "Content-Type", structured)
		p := wantProblem(t, a, http.StatusBadRequest, "type-is-no-subject")
		if !strings.Contains(p.Detail, "/events/SUBJECT") {
			t.Errorf("detail does not say what to do: %s", p.Detail)
		}
		b.unharmed(t, before)
	}
}

func TestTooLargeEventsAreRefusedBeforePublishing(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) { c.MaxMessage = 4 << 10 })
	for name, request := range map[string][]string{
		"data":       {"/events/x", strings.Repeat("x", 4<<10)},
		"attributes": {"/events/x", document("subject", `"`+strings.Repeat("x", 4000)+`"`), "Content-Type", structured},
		"one in a batch": {
			"/events/x", "[" + document() + "," + document("id", `"2"`, "data", `"`+strings.Repeat("x", 4<<10)+`"`) + "]",
			"Content-Type", batch,
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := b.count(t)
			wantProblem(t, b.post(t, request[0], request[1], request[2:]...), http.StatusRequestEntityTooLarge, "event-too-large")
			b.unharmed(t, before)
		})
	}
}

// TestAttributesBeyondNATS: 32 KiB of attributes can be 96 KiB when they are percent-encoded; NATS takes 64.
func TestAttributesBeyondNATS(t *testing.T) {
	t.Parallel()
	b := serve(t)
	members := []string{}
	for i := range 8 {
		members = append(members, fmt.Sprint("ext", i), `"`+strings.Repeat("é", 1900)+`"`)
	}
	before := b.count(t)
	wantProblem(t, b.post(t, "/events/x", document(members...), "Content-Type", structured),
		http.StatusRequestEntityTooLarge, "event-too-large")
	b.unharmed(t, before)
}
