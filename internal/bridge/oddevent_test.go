package bridge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
)

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

// TestOddBinaryEventsAreTaken has what the binding allows beyond what most clients send.
func TestOddBinaryEventsAreTaken(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for i, tt := range []struct{ name, header, value, want string }{
		{"[C06] percent-encoded", "ce-subject", "Euro%20%E2%82%AC%20%f0%9f%98%80", "Euro \u20ac \U0001f600"},
		{"[C06] decoded once", "ce-subject", "a%2520b", "a%20b"},
		{"[C06] quoted", "ce-subject", `"a \"b\" c"`, `a "b" c`},
		{"[C06] quoted and encoded", "ce-subject", `"a%20\\b"`, `a \b`},
		{"[C06] a space as it is", "ce-subject", "a b", "a b"},
		{"[C10] a name in upper case", "CE-SUBJECT", "a", "a"},
		{"[C12] small letters", "ce-time", "2026-01-02t03:04:05z", "2026-01-02t03:04:05z"},
		{"[C12] leap second", "ce-time", "2016-12-31T23:59:60+00:00", "2016-12-31T23:59:60+00:00"},
		{"[C12] nanoseconds", "ce-time", "2026-01-02T03:04:05.123456789-23:59", "2026-01-02T03:04:05.123456789-23:59"},
		{"[C13] empty path", "ce-source", "#", "#"},
		{"[C13] a URN", "ce-dataschema", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"},
		{"[C10] a name of 64 letters", "ce-" + strings.Repeat("x", 64), "1", "1"},
		{"[C11] empty extension", "ce-ext", "", ""},
		{"[C11] value at the limit", "ce-ext", strings.Repeat("x", 4096), strings.Repeat("x", 4096)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, _ := b.wire(t, binaryPost("ce-id", fmt.Sprint(i), tt.header, tt.value))
			e := b.decoded(t, wantAccepted(t, a).Sequence)
			name := strings.TrimPrefix(strings.ToLower(tt.header), "ce-")
			got, found := "", false
			for n, v := range e.All() {
				if n == name {
					got, found = v, true
				}
			}
			if got != tt.want || !found {
				t.Errorf("stored %q (%v), want %q", got, found, tt.want)
			}
		})
	}
}

// TestContentTypesOfBinaryEventsAreKept is C15 for headers: the type is the caller's, and nothing is guessed.
func TestContentTypesOfBinaryEventsAreKept(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for i, contentType := range []string{"", "TEXT/Plain; CharSet=UTF-8", "application/a+json", "application/x-www-form-urlencoded"} {
		a, _ := b.wire(t, binaryPost("ce-id", fmt.Sprint(i), "Content-Type", contentType))
		e := b.decoded(t, wantAccepted(t, a).Sequence)
		if e.DataContentType != contentType || string(e.Data) != "{}" {
			t.Errorf("%q: stored %q with %q", contentType, e.DataContentType, e.Data)
		}
	}
}
