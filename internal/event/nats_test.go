package event_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/event"
)

// headers returns the headers of a minimal event with changes: a nil value removes a header.
func headers(changes map[string][]string) map[string][]string {
	h := map[string][]string{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/s"}, "ce-type": {"t"}}
	for name, values := range changes {
		if values == nil {
			delete(h, name)
			continue
		}
		h[name] = values
	}
	return h
}

type changes = map[string][]string

func TestDecodeBinary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change changes
		want   func(e *event.Event)
	}{
		{"minimal", nil, func(*event.Event) {}},
		{"N04 Ce-Id", changes{"ce-id": nil, "Ce-Id": {"2"}}, func(e *event.Event) { e.ID = "2" }},
		{"N04 CE-ID", changes{"ce-id": nil, "CE-ID": {"2"}}, func(e *event.Event) { e.ID = "2" }},
		{
			"mixed case extension",
			changes{"Ce-PartitionKey": {"k"}},
			func(e *event.Event) { e.Extensions = []event.Attribute{{Name: "partitionkey", Value: "k"}} },
		},
		{
			"C06 percent",
			changes{"ce-subject": {"Euro%20%E2%82%AC%20%f0%9f%98%80"}},
			func(e *event.Event) { e.Subject = "Euro € 😀" },
		},
		{"C06 decoded once", changes{"ce-subject": {"%2541"}}, func(e *event.Event) { e.Subject = "%41" }},
		{"C06 quoted", changes{"ce-subject": {`"a \"b\" %41"`}}, func(e *event.Event) { e.Subject = `a "b" A` }},
		{"quotes inside", changes{"ce-subject": {`a "b" c`}}, func(e *event.Event) { e.Subject = `a "b" c` }},
		{"white space around", changes{"ce-subject": {" \ta b "}}, func(e *event.Event) { e.Subject = "a b" }},
		{"white space encoded", changes{"ce-subject": {"%20a%20"}}, func(e *event.Event) { e.Subject = " a " }},
		{"raw UTF-8, as the SDK sends it", changes{"ce-subject": {"é"}}, func(e *event.Event) { e.Subject = "é" }},
		{"empty extension", changes{"ce-x": {""}}, func(e *event.Event) { e.Extensions = []event.Attribute{{Name: "x"}} }},
		{"header without values", changes{"ce-x": {}}, func(*event.Event) {}},
		{
			"datacontenttype",
			changes{"ce-datacontenttype": {"text/plain;%20charset=utf-8"}, "Content-Type": {"text/html"}},
			func(e *event.Event) { e.DataContentType = "text/plain; charset=utf-8" },
		},
		{"content-type", changes{"content-type": {"text/html"}}, func(e *event.Event) { e.DataContentType = "text/html" }},
		{
			"N11 commands of the server",
			changes{"Nats-Rollup": {"all"}, "Nats-TTL": {"1s"}, "Nats-Schedule": {"x"}, "Nats-Expected-Stream": {"y"}},
			func(*event.Event) {},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := &event.Event{ID: "1", Source: "/s", Type: "t", Data: []byte("x")}
			c.want(want)
			got, err := event.Decode(&event.Message{
				Header: headers(c.change), Data: []byte("x"), Subject: "events.x",
				Stream: "EVENTS",
			})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "event", got, want)
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		change    changes
		data      string
		attribute string
		reason    string
	}{
		{"N05 missing ce-type", changes{"ce-type": nil}, "", "type", "type is missing"},
		{
			"only one ce- header",
			changes{"ce-type": nil, "ce-id": nil, "ce-source": nil, "ce-specversion": nil, "ce-x": {"1"}},
			"",
			"id", "id is missing: every CloudEvent needs it; source is missing",
		},
		{"all at once", changes{"ce-time": {"now"}, "ce-id": nil}, "", "id", `time "now" is not an RFC 3339 time`},
		{"C02 specversion", changes{"ce-specversion": {"0.3"}}, "", "specversion", `specversion is "0.3": want "1.0"`},
		{
			"C03 CRLF",
			changes{"ce-id": {"a%0d%0aNats-Rollup: all"}},
			"", "id",
			`id "a\r\nNats-Rollup: all" has the control character U+000D`,
		},
		{"C05 twice", changes{"ce-id": {"1", "2"}}, "", "id", "id is given more than once"},
		{"twice in two cases", changes{"CE-Id": {"2"}}, "", "id", "id is given more than once"},
		{"extension twice", changes{"ce-x": {"1"}, "CE-X": {"1"}}, "", "x", "x is given more than once"},
		{"C07 overlong", changes{"ce-subject": {"%C0%A0"}}, "", "subject", "is not valid UTF-8 after percent-decoding"},
		{"C07 not hexadecimal", changes{"ce-subject": {"%zz"}}, "", "subject", "has a % that is not followed by two"},
		{"C07 cut", changes{"ce-subject": {"100%"}}, "", "subject", "has a % that is not followed by two"},
		{"invalid UTF-8", changes{"ce-subject": {"\xff"}}, "", "subject", "is not valid UTF-8"},
		{"open quote", changes{"ce-subject": {`"a`}}, "", "subject", "not one quoted string"},
		{"open escape", changes{"ce-subject": {`"a\`}}, "", "subject", "not one quoted string"},
		{"text after quote", changes{"ce-subject": {`"a" b`}}, "", "subject", "not one quoted string"},
		{"bad name", changes{"ce-my_ext": {"1"}}, "", "my_ext", `"my_ext" cannot name an attribute`},
		{"no name", changes{"ce-": {"1"}}, "", "", `"" cannot name an attribute`},
		{"CRLF in a name", changes{"ce-a\r\nNats-Rollup": {"1"}}, "", `"a\r\nnats-rollup"`, "cannot name an attribute"},
		{"data as extension", changes{"ce-data": {"1"}}, "", "data", `and not "data"`},
		{"N08 64 KiB of headers", changes{"ce-x": {strings.Repeat("x", 64<<10)}}, "", "x", "has 65536 bytes: at most 4096"},
		{"long value is cut", changes{"ce-time": {strings.Repeat("y", 300)}}, "", "time", strings.Repeat("y", 60)},
		{"bad content-type", changes{"Content-Type": {"///"}}, "", "datacontenttype", "is not a media type"},
		{"two content-types", changes{"Content-Type": {"a/b"}, "content-type": {"c/d"}}, "", "content-type", "more than once"},
		{"N03 broken JSON", changes{"Content-Type": {"application/cloudevents+json"}}, `{"id":`, "", "document is not valid JSON"},
		{"structured with problems", changes{"Content-Type": {"application/cloudevents+json"}}, `{}`, "id", "type is missing"},
		{"batch", changes{"Content-Type": {"application/cloudevents-batch+json"}}, `[]`, "content-type", "is not supported"},
		{"avro", changes{"Content-Type": {"Application/CloudEvents+avro"}}, ``, "content-type", "is not supported"},
		{
			"charset",
			changes{"Content-Type": {"application/cloudevents+json; charset=utf-16"}},
			``, "content-type",
			"is not supported",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for range 5 { // the iteration order of headers must not show
				_, err := event.Decode(&event.Message{
					Header: headers(c.change), Data: []byte(c.data), Subject: "events.x",
					Stream: "EVENTS",
				})
				var broken *event.DecodeError
				if !errors.As(err, &broken) {
					t.Fatalf("got %v, want a *DecodeError", err)
				}
				if broken.Attribute != c.attribute || !strings.Contains(broken.Reason, c.reason) || len(broken.Reason) > 1024 {
					t.Fatalf("got %q: %q, want %q: %q", broken.Attribute, broken.Reason, c.attribute, c.reason)
				}
			}
		})
	}
}

func TestDecodeStructured(t *testing.T) {
	t.Parallel()
	document := `{` + minimal + `,"data":{"a":1}}`
	want := &event.Event{ID: "1", Source: "/s", Type: "t", DataContentType: "application/json", Data: []byte(`{"a":1}`)}
	for _, contentType := range []string{
		"application/cloudevents+json", "APPLICATION/CloudEvents+JSON", " application/cloudevents+json ; charset=UTF-8",
		"application/cloudevents",
	} {
		got, err := event.Decode(&event.Message{ // C16: conflicting headers do not count
			Header: headers(changes{"content-type": {contentType}, "ce-id": {"other"}, "ce-x": {"%"}}), Data: []byte(document)})
		if err != nil {
			t.Fatal(err)
		}
		same(t, contentType, got, want)
	}
}

func TestDecodeRaw(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 2, 3, 4, 5, 678, time.FixedZone("", 3600))
	for _, c := range []struct {
		name, data, contentType, want string
	}{
		{"N01 text", "hello", "", "text/plain; charset=utf-8"},
		{"text like a literal", "nothing", "", "text/plain; charset=utf-8"},
		{"text with lines", "a\tb\r\né😀", "", "text/plain; charset=utf-8"},
		{"N02 JSON", ` {"name":"you"} `, "", "application/json"},
		{"number", "42", "", "application/json"},
		{"broken JSON", `{"name":`, "", "text/plain; charset=utf-8"},
		{"two JSON values", `{}{}`, "", "text/plain; charset=utf-8"},
		{"bytes", "\x00\x01", "", "application/octet-stream"},
		{"invalid UTF-8", "a\xff", "", "application/octet-stream"},
		{"escape sequence", "\x1b[31m", "", "application/octet-stream"},
		{"N06 empty", "", "", ""},
		{"white space", " \n", "", "text/plain; charset=utf-8"},
		{"N07 1 MiB", strings.Repeat("x", 1<<20), "", "text/plain; charset=utf-8"},
		{"content-type", "<a/>", "application/xml", "application/xml"},
		{"content-type that is none", "x", "///", "text/plain; charset=utf-8"},
		{"content-type with control character", "x", "a/b;\x01", "text/plain; charset=utf-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := &event.Message{
				Subject: "events.hello", Stream: "EVENTS", Sequence: 42, Time: at, Data: []byte(c.data),
				Header: changes{"Nats-Msg-Id": {"x"}},
			}
			if c.contentType != "" {
				m.Header["content-TYPE"] = []string{c.contentType}
			}
			got, err := event.Decode(m)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "event", got, &event.Event{
				ID: "EVENTS-42", Source: "nats://EVENTS", Type: "events.hello", Subject: "events.hello",
				Time: "2026-11-02T02:04:05.000000678Z", DataContentType: c.want, Data: []byte(c.data),
			})
			if problems := got.Validate(); len(problems) > 0 {
				t.Fatal(problems)
			}
		})
	}
}

func TestDecodeRawOddPlaces(t *testing.T) {
	t.Parallel()
	got, err := event.Decode(&event.Message{Subject: "a.b", Stream: "MY STREAM/é", Sequence: 1})
	if err != nil || got.Source != "nats://MY%20STREAM%2F%C3%A9" || got.Time != "" {
		t.Fatalf("got %+v, %v", got, err)
	}
	for _, subject := range []string{"a\x00b", "a.\xff", ""} { // N10
		_, err := event.Decode(&event.Message{Subject: subject, Stream: "EVENTS", Sequence: 1})
		var broken *event.DecodeError
		if !errors.As(err, &broken) || (broken.Attribute != "type" && broken.Attribute != "subject") {
			t.Errorf("subject %q: got %v", subject, err)
		}
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	e := &event.Event{
		ID: "1 %\"é", Source: "/s", Type: "t", Subject: "s", Time: "2026-01-02T03:04:05Z", DataSchema: "urn:x",
		DataContentType: "text/plain; charset=utf-8", Data: []byte("d"),
		Extensions: []event.Attribute{
			{Name: "a", Value: "~!\x7f"},
			{Name: "id", Value: "no"},
			{Name: "x\r\nNats-Rollup", Value: "all"},
		},
	}
	want := map[string][]string{
		"ce-specversion": {"1.0"}, "ce-id": {"1%20%25%22%C3%A9"}, "ce-source": {"/s"}, "ce-type": {"t"},
		"ce-subject": {"s"}, "ce-time": {"2026-01-02T03:04:05Z"}, "ce-dataschema": {"urn:x"},
		"ce-datacontenttype": {"text/plain;%20charset=utf-8"}, "ce-a": {"~!%7F"},
	}
	header, data := event.Encode(e)
	if diff := cmp.Diff(want, header); diff != "" || string(data) != "d" {
		t.Fatalf("(-want +got)\n%s%s", diff, data)
	}
	header["ce-id"] = append(header["ce-id"], "grown") // values share one array and must not run into each other
	if header["ce-source"][0] != "/s" {
		t.Fatalf("got %v", header)
	}
}

func TestHotPathAllocations(t *testing.T) {
	m := binaryMessage()
	var e event.Event
	if n := testing.AllocsPerRun(100, func() {
		if err := event.DecodeInto(&e, m); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("DecodeInto allocates %v times", n)
	}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = event.AppendHTTPAttributes(buf[:0], &e) }); n > 0 {
		t.Errorf("AppendHTTPAttributes allocates %v times", n)
	}
}
