package event_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
)

// request returns the headers of a minimal binary request with changes, canonical as net/http makes them.
func request(change changes) http.Header {
	h := http.Header{}
	for name, values := range headers(change) {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return h
}

func TestFromHTTPBinaryRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change changes
		want   []string // header:code
	}{
		{"C01 missing", changes{"ce-id": nil, "ce-type": nil, "ce-specversion": nil}, []string{
			"ce-id:missing-attribute", "ce-specversion:missing-attribute", "ce-type:missing-attribute",
		}},
		{
			"C01 blank",
			changes{"ce-id": {"%20"}, "ce-type": {""}},
			[]string{"ce-id:invalid-attribute", "ce-type:missing-attribute"},
		},
		{"C02", changes{"ce-specversion": {"0.3"}}, []string{"ce-specversion:unsupported-specversion"}},
		{"C03", changes{"ce-id": {"a%0d%0aNats-Rollup: all"}}, []string{"ce-id:invalid-attribute"}},
		{"C05", changes{"ce-id": {"1", "2"}}, []string{"ce-id:duplicate-header"}},
		{"C07 overlong", changes{"ce-id": {"%C0%A0"}}, []string{"ce-id:invalid-encoding"}},
		{"C07 not hexadecimal", changes{"ce-id": {"%zz"}}, []string{"ce-id:invalid-encoding"}},
		{"C07 lone", changes{"ce-id": {"%"}}, []string{"ce-id:invalid-encoding"}},
		{
			"C08",
			changes{"ce-datacontenttype": {"text/plain"}, "content-type": {"text/plain"}},
			[]string{"ce-datacontenttype:forbidden-header"},
		},
		{"C09", changes{"ce-id": {"é"}}, []string{"ce-id:invalid-encoding"}},
		{"C10 underscore", changes{"ce-my_ext": {"1"}}, []string{"ce-my_ext:invalid-attribute-name"}},
		{"C11 10 kB", changes{"ce-ext": {strings.Repeat("x", 10_000)}}, []string{"ce-ext:attribute-too-long"}},
		{"C12", changes{"ce-time": {"yesterday"}}, []string{"ce-time:invalid-attribute"}},
		{"C13", changes{"ce-source": {"a%20b"}, "ce-subject": {""}, "ce-dataschema": {"x"}}, []string{
			"ce-dataschema:invalid-attribute", "ce-source:invalid-attribute", "ce-subject:invalid-attribute",
		}},
		{"C15", changes{"content-type": {"///"}}, []string{"content-type:invalid-attribute"}},
		{"two content-types", changes{"content-type": {"a/b", "c/d"}}, []string{"content-type:duplicate-header"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, events, problems := event.FromHTTP(request(c.change), []byte("x"), event.Limits{})
			if events != nil {
				t.Fatalf("got %v", events)
			}
			var got []string
			for _, p := range problems {
				got = append(got, p.Header+":"+p.Code)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Fatalf("got %v, want %v\n%v", got, c.want, problems)
			}
		})
	}
}

func TestFromHTTPModes(t *testing.T) {
	t.Parallel()
	one := `{` + minimal + `}`
	for _, c := range []struct {
		name, contentType, body string
		binary                  bool
		mode                    event.Mode
		events                  int
		problem                 string
	}{
		{"raw", "text/plain", "hello", false, event.ModeNone, 0, ""},
		{"raw without a type", "", "hello", false, event.ModeNone, 0, ""},
		{"binary", "text/plain", "hello", true, event.ModeBinary, 1, ""},
		{"binary without a type", "", "hello", true, event.ModeBinary, 1, ""},
		{"structured", "Application/CloudEvents+JSON; charset=utf-8", one, false, event.ModeStructured, 1, ""},
		{"C16 structured with headers", "application/cloudevents+json", one, true, event.ModeStructured, 1, ""},
		{"structured, broken", "application/cloudevents+json", `{`, false, event.ModeStructured, 0, "invalid-json"},
		{"batch", "application/cloudevents-batch+json", "[" + one + "," + one + "]", false, event.ModeBatch, 2, ""},
		{"empty batch", "application/cloudevents-batch+json", "[]", false, event.ModeBatch, 0, ""},
		{
			"batch over the limit", "application/cloudevents-batch+json", "[" + one + "," + one + "," + one + "]", false,
			event.ModeBatch, 0, "batch-too-large",
		},
		{"C17 avro", "application/cloudevents+avro", "", false, event.ModeStructured, 0, "unsupported-media-type"},
		{"C17 protobuf", "application/cloudevents+protobuf", "", false, event.ModeStructured, 0, "unsupported-media-type"},
		{"C17 xml", "application/cloudevents-batch+xml", "", true, event.ModeStructured, 0, "unsupported-media-type"},
		{"no format", "application/cloudevents", one, false, event.ModeStructured, 0, "unsupported-media-type"},
		{"charset", "application/cloudevents+json; charset=latin1", one, false, event.ModeStructured, 0, "unsupported-media-type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"Accept": {"*/*"}}
			if c.binary {
				h = request(nil)
			}
			if c.contentType != "" {
				h.Set("Content-Type", c.contentType)
			}
			mode, events, problems := event.FromHTTP(h, []byte(c.body), event.Limits{Batch: 2})
			code := ""
			if len(problems) > 0 {
				code = problems[0].Code
			}
			if mode != c.mode || len(events) != c.events || code != c.problem {
				t.Fatalf("got %s, %d events, %v", mode, len(events), problems)
			}
			if c.mode == event.ModeBinary && (events[0].DataContentType != c.contentType || string(events[0].Data) != c.body) {
				t.Fatalf("got %+v", events[0])
			}
			if c.mode == event.ModeStructured && c.events == 1 && events[0].ID != "1" {
				t.Fatalf("got %+v", events[0])
			}
		})
	}
}

func TestReplyFromHTTP(t *testing.T) {
	t.Parallel()
	structured := http.Header{"Content-Type": {"application/cloudevents+json"}}
	for _, c := range []struct {
		name   string
		header http.Header
		body   string
		id     string
		err    string
	}{
		{"none", http.Header{"Content-Type": {"text/plain"}}, "thanks", "", ""},
		{"nothing at all", nil, "", "", ""},
		{"binary", request(nil), "x", "1", ""},
		{"structured", structured, `{` + minimal + `}`, "1", ""},
		{"binary, broken", request(changes{"ce-type": nil}), "", "", "type is missing"},
		{"structured, broken", structured, ``, "", "document is empty"},
		{"batch", http.Header{"Content-Type": {"application/cloudevents-batch+json"}}, `[]`, "", "at most one event"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := event.ReplyFromHTTP(c.header, []byte(c.body))
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) || e != nil {
					t.Fatalf("got %v, %v, want %q", e, err, c.err)
				}
			case err != nil:
				t.Fatal(err)
			case c.id == "" && e != nil, c.id != "" && (e == nil || e.ID != c.id):
				t.Fatalf("got %+v, want id %q", e, c.id)
			}
		})
	}
}

func TestAppendHTTPAttributes(t *testing.T) {
	t.Parallel()
	e := &event.Event{
		ID: "1 %\"é", Source: "/s", Type: "t", Subject: "s", Time: "2026-01-02T03:04:05Z", DataSchema: "urn:x",
		DataContentType: "text/plain; charset=utf-8", Extensions: []event.Attribute{
			{Name: "a", Value: "~ "},
			{Name: "a:\r\nb", Value: "x"},
		},
	}
	want := "POST / HTTP/1.1\r\nce-specversion: 1.0\r\nce-id: 1%20%25%22%C3%A9\r\nce-source: /s\r\nce-type: t\r\nce-subject: s\r\n" +
		"ce-time: 2026-01-02T03:04:05Z\r\nce-dataschema: urn:x\r\nce-a: ~%20\r\ncontent-type: text/plain; charset=utf-8\r\n"
	if got := string(event.AppendHTTPAttributes([]byte("POST / HTTP/1.1\r\n"), e)); got != want {
		t.Fatalf("got %q\nwant %q", got, want)
	}
	e.DataContentType = "a/b\r\nX-Injected: 1"
	if got := string(event.AppendHTTPAttributes(nil, e)); strings.Contains(got, "Injected") {
		t.Fatalf("got %q", got)
	}
}
