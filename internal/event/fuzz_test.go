package event_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
)

// Each target asks the same: what a codec accepts is valid and comes out of every codec as it went in.
func checkAccepted(t *testing.T, e *event.Event) {
	t.Helper()
	if problems := e.Validate(); len(problems) > 0 {
		t.Fatalf("accepted and not valid: %v\n%+v", problems, e)
	}
	header, data := event.Encode(e)
	got, err := event.Decode(&event.Message{Header: header, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "NATS", got, e)

	document := event.AppendJSON(nil, e)
	parsed, problems := event.ParseJSON(document)
	if len(problems) > 0 || !json.Valid(document) {
		t.Fatalf("%v\n%s", problems, document)
	}
	same(t, "JSON", parsed, e)
}

func FuzzDecode(f *testing.F) {
	f.Add("ce-id", "Euro%20%E2%82%AC", "ce-partitionkey", `"a \"b\""`, "Content-Type", "text/plain", "events.a", []byte("x"))
	f.Add("CE-ID", "%C0%A0", "ce-Id", "%", "content-type", "application/cloudevents+json", "events.a", []byte(`{`+minimal+`}`))
	f.Add("x", "", "y", "", "z", "", "events.hello", []byte(`{"name":"you"}`))
	f.Add("ce-time", "2016-12-31T23:59:60Z", "ce-dataschema", "urn:x", "ce-datacontenttype", "a/b", "a\x00", []byte("\xff"))
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2, name3, value3, subject string, data []byte) {
		for _, base := range []changes{nil, {"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/s"}, "ce-type": {"t"}}} {
			h := changes{}
			for name, values := range base {
				h[name] = values
			}
			h[name1], h[name2], h[name3] = []string{value1}, []string{value2}, []string{value3}
			e, err := event.Decode(&event.Message{
				Subject: subject, Stream: "EVENTS", Sequence: 7, Time: time.Unix(1e9, 5), Header: h, Data: data,
			})
			if err != nil {
				continue
			}
			checkAccepted(t, e)
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	for _, rest := range []string{
		``, `,"data":{"a":[1,2,{"b":null}]}`, `,"data_base64":"AA=="`, `,"datacontenttype":"text/plain","data":"é\ud83d\ude00"`,
		`,"ext":-5,"b":true,"c":null`, `,"time":"2016-12-31T23:59:60Z"`, `,"dataschema":"urn:x","subject":"\u0041"`,
		`,"data":1e400`,
	} {
		f.Add([]byte(`{` + minimal + rest + `}`))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		e, problems := event.ParseJSON(document)
		if (e == nil) == (len(problems) == 0) {
			t.Fatalf("got %v with %v", e, problems)
		}
		if e != nil {
			if !json.Valid(document) {
				t.Fatalf("accepted what is not JSON: %q", document)
			}
			checkAccepted(t, e)
		}
		batch := append(append([]byte("["), document...), ']')
		if events, problems := event.ParseBatch(batch, 0); e != nil && (len(events) != 1 || len(problems) > 0) &&
			len(document) < 1500 {
			t.Fatalf("accepted alone and not in a batch: %v", problems)
		}
	})
}

func FuzzFromHTTP(f *testing.F) {
	f.Add("Ce-Ext", "a%20b", "text/plain", []byte("x"))
	f.Add("Ce-Subject", `"a \"b\""`, "application/cloudevents+json", []byte(`{`+minimal+`}`))
	f.Add("Ce-Time", "é", "application/cloudevents-batch+json", []byte(`[{`+minimal+`}]`))
	f.Fuzz(func(t *testing.T, name, value, contentType string, body []byte) {
		h := request(changes{"Content-Type": {contentType}})
		h[http.CanonicalHeaderKey(name)] = []string{value}
		_, events, problems := event.FromHTTP(h, body, event.Limits{})
		if len(events) > 0 && len(problems) > 0 {
			t.Fatalf("events and problems: %v", problems)
		}
		for _, e := range events {
			checkAccepted(t, e)
		}
	})
}
