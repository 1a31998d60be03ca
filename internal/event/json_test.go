package event_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
)

const minimal = `"specversion":"1.0","id":"1","source":"/s","type":"t"`

// The rows of the bad-input matrix that concern the JSON format; the names begin with the row.
func TestParseJSONRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, document string
		want           []string
	}{
		{"C01 everything missing", `{}`, []string{
			"id:missing-attribute", "source:missing-attribute", "specversion:missing-attribute", "type:missing-attribute",
		}},
		{"C01 empty", `{"specversion":"1.0","id":"","source":"","type":""}`, []string{
			"id:missing-attribute", "source:missing-attribute", "type:missing-attribute",
		}},
		{"C01 blank", `{"specversion":"1.0","id":"  ","source":" ","type":"\u2003"}`, []string{
			"id:invalid-attribute", "source:invalid-attribute", "type:invalid-attribute",
		}},
		{"C01 null", `{"specversion":"1.0","id":null,"source":"/s","type":"t"}`, []string{"id:missing-attribute"}},
		{"C01 number", `{"specversion":"1.0","id":1,"source":"/s","type":"t"}`, []string{"id:invalid-attribute"}},
		{"C02 0.3", `{"specversion":"0.3","id":"1","source":"/s","type":"t"}`, []string{"specversion:unsupported-specversion"}},
		{"C02 2.0", `{"specversion":"2.0","id":"1","source":"/s","type":"t"}`, []string{"specversion:unsupported-specversion"}},
		{
			"C02 1.0.2", `{"specversion":"1.0.2","id":"1","source":"/s","type":"t"}`,
			[]string{"specversion:unsupported-specversion"},
		},
		{"C02 number", `{"specversion":1,"id":"1","source":"/s","type":"t"}`, []string{"specversion:unsupported-specversion"}},
		{"C03 NUL", `{"specversion":"1.0","id":"a\u0000b","source":"/s","type":"t"}`, []string{"id:invalid-attribute"}},
		{
			"C03 CRLF", `{"specversion":"1.0","id":"a\r\nNats-Rollup: all","source":"/s","type":"t"}`,
			[]string{"id:invalid-attribute"},
		},
		{"C03 C1", `{"specversion":"1.0","id":"\u0085","source":"/s","type":"t"}`, []string{"id:invalid-attribute"}},
		{"C03 non-character", `{"specversion":"1.0","id":"\uFFFF","source":"/s","type":"t"}`, []string{"id:invalid-attribute"}},
		{
			"C03 non-character plane 1", `{"specversion":"1.0","id":"\uD83F\uDFFE","source":"/s","type":"t"}`,
			[]string{"id:invalid-attribute"},
		},
		{
			"C03 unpaired surrogate", `{"specversion":"1.0","id":"\uDEAD","source":"/s","type":"t"}`,
			[]string{"id:invalid-attribute"},
		},
		{"C03 half surrogate", `{"specversion":"1.0","id":"\uD83Fx","source":"/s","type":"t"}`, []string{"id:invalid-attribute"}},
		{"C03 invalid UTF-8", "{" + minimal + ",\"subject\":\"\xff\"}", []string{":invalid-json"}},
		{"C03 overlong UTF-8", "{" + minimal + ",\"subject\":\"\xc0\xa0\"}", []string{":invalid-json"}},
		{"C03 raw newline", "{" + minimal + ",\"subject\":\"a\nb\"}", []string{":invalid-json"}},
		{"C04 duplicate", `{` + minimal + `,"id":"2"}`, []string{"id:duplicate-member"}},
		{"C04 duplicate by escape", `{` + minimal + `,"\u0069d":"2"}`, []string{"id:duplicate-member"}},
		{"C04 duplicate null", `{` + minimal + `,"ext":null,"ext":"2"}`, []string{"ext:duplicate-member"}},
		{"C04 duplicate data", `{` + minimal + `,"data":1,"data":2}`, []string{"data:duplicate-member"}},
		{"C04 ID", `{` + minimal + `,"ID":"2"}`, []string{"ID:invalid-attribute-name"}},
		{"C10 uppercase", `{` + minimal + `,"myExt":"x"}`, []string{"myExt:invalid-attribute-name"}},
		{"C10 underscore", `{` + minimal + `,"my_ext":"x"}`, []string{"my_ext:invalid-attribute-name"}},
		{"C10 underscore null", `{` + minimal + `,"my_ext":null}`, []string{"my_ext:invalid-attribute-name"}},
		{"C10 empty", `{` + minimal + `,"":"x"}`, []string{":invalid-attribute-name"}},
		{"C10 long", `{` + minimal + `,"` + strings.Repeat("a", 65) + `":"x"}`, []string{
			`"` + strings.Repeat("a", 65) + `":invalid-attribute-name`,
		}},
		{"C11 float", `{` + minimal + `,"ext":1.5}`, []string{"ext:invalid-attribute"}},
		{"C11 exponent", `{` + minimal + `,"ext":1e2}`, []string{"ext:invalid-attribute"}},
		{"C11 2^31", `{` + minimal + `,"ext":2147483648}`, []string{"ext:invalid-attribute"}},
		{"C11 object", `{` + minimal + `,"ext":{"a":1}}`, []string{"ext:invalid-attribute"}},
		{"C11 array", `{` + minimal + `,"ext":[]}`, []string{"ext:invalid-attribute"}},
		{"C11 10 kB", `{` + minimal + `,"ext":"` + strings.Repeat("x", 10_000) + `"}`, []string{"ext:attribute-too-long"}},
		{"C12 yesterday", `{` + minimal + `,"time":"yesterday"}`, []string{"time:invalid-attribute"}},
		{"C12 no zone", `{` + minimal + `,"time":"2026-01-02T03:04:05"}`, []string{"time:invalid-attribute"}},
		{"C12 year 10000", `{` + minimal + `,"time":"10000-01-02T03:04:05Z"}`, []string{"time:invalid-attribute"}},
		{"C12 29 February", `{` + minimal + `,"time":"2025-02-29T03:04:05Z"}`, []string{"time:invalid-attribute"}},
		{
			"C13 source with space", `{"specversion":"1.0","id":"1","source":"a b","type":"t"}`,
			[]string{"source:invalid-attribute"},
		},
		{
			"C13 source with bad escape", `{"specversion":"1.0","id":"1","source":"%zz","type":"t"}`,
			[]string{"source:invalid-attribute"},
		},
		{
			"C13 source outside ASCII", `{"specversion":"1.0","id":"1","source":"/é","type":"t"}`,
			[]string{"source:invalid-attribute"},
		},
		{
			"C13 source with bad scheme", `{"specversion":"1.0","id":"1","source":"1a:b","type":"t"}`,
			[]string{"source:invalid-attribute"},
		},
		{
			"C13 source with two fragments", `{"specversion":"1.0","id":"1","source":"/a#b#c","type":"t"}`,
			[]string{"source:invalid-attribute"},
		},
		{"C13 dataschema relative", `{` + minimal + `,"dataschema":"/schema"}`, []string{"dataschema:invalid-attribute"}},
		{"C13 dataschema empty", `{` + minimal + `,"dataschema":""}`, []string{"dataschema:invalid-attribute"}},
		{"C13 subject empty", `{` + minimal + `,"subject":""}`, []string{"subject:invalid-attribute"}},
		{"C14 both", `{` + minimal + `,"data":1,"data_base64":"AA=="}`, []string{"data_base64:invalid-data"}},
		{"C14 bad", `{` + minimal + `,"data_base64":"!!"}`, []string{"data_base64:invalid-data"}},
		{"C14 base64url", `{` + minimal + `,"data_base64":"__8="}`, []string{"data_base64:invalid-data"}},
		{"C14 no padding", `{` + minimal + `,"data_base64":"AA"}`, []string{"data_base64:invalid-data"}},
		{"C14 trailing bits", `{` + minimal + `,"data_base64":"AB=="}`, []string{"data_base64:invalid-data"}},
		{"C14 white space", `{` + minimal + `,"data_base64":"AA\n=="}`, []string{"data_base64:invalid-data"}},
		{"C14 number", `{` + minimal + `,"data_base64":1}`, []string{"data_base64:invalid-data"}},
		{
			"C15 not a media type", `{` + minimal + `,"datacontenttype":"///","data":1}`,
			[]string{"datacontenttype:invalid-attribute"},
		},
		{"C15 empty", `{` + minimal + `,"datacontenttype":"","data":1}`, []string{"datacontenttype:invalid-attribute"}},
		{
			"C15 event in event", `{` + minimal + `,"datacontenttype":"application/cloudevents+json","data":1}`,
			[]string{"datacontenttype:invalid-attribute"},
		},
		{"C15 object as text", `{` + minimal + `,"datacontenttype":"text/plain","data":{}}`, []string{"data:invalid-data"}},
		{
			"C15 charset", `{` + minimal + `,"datacontenttype":"text/plain; charset=latin1","data":"é"}`,
			[]string{"data:invalid-data"},
		},
		{"C15 half surrogate", `{` + minimal + `,"datacontenttype":"text/plain","data":"\ud800"}`, []string{"data:invalid-data"}},
		{"C18 trailing", `{` + minimal + `} xx`, []string{":invalid-json"}},
		{"C18 two documents", `{` + minimal + `}{}`, []string{":invalid-json"}},
		{"C18 BOM", "\xef\xbb\xbf{" + minimal + "}", []string{":invalid-json"}},
		{"C18 null", `null`, []string{":invalid-json"}},
		{"C18 array", `[]`, []string{":invalid-json"}},
		{"C18 empty", ``, []string{":invalid-json"}},
		{
			"C18 deep", `{` + minimal + `,"data":` + strings.Repeat("[", 10001) + strings.Repeat("]", 10001) + `}`,
			[]string{":invalid-json"},
		},
		{"C18 deep objects", `{` + minimal + `,"data":` + strings.Repeat(`{"a":`, 10001), []string{":invalid-json"}},
		{"cut in a string", `{"id":"1`, []string{":invalid-json"}},
		{"cut in an escape", `{"id":"1\`, []string{":invalid-json"}},
		{"cut after a colon", `{"id":`, []string{":invalid-json"}},
		{"unknown escape", `{"id":"\x"}`, []string{":invalid-json"}},
		{"short escape", `{"id":"\u00"}`, []string{":invalid-json"}},
		{"name without quotes", `{id:"1"}`, []string{":invalid-json"}},
		{"no colon", `{"id" "1"}`, []string{":invalid-json"}},
		{"trailing comma", `{` + minimal + `,}`, []string{":invalid-json"}},
		{"no comma", `{"id":"1" "source":"/s"}`, []string{":invalid-json"}},
		{"leading zero", `{` + minimal + `,"data":01}`, []string{":invalid-json"}},
		{"bare minus", `{` + minimal + `,"data":-}`, []string{":invalid-json"}},
		{"bare point", `{` + minimal + `,"data":1.}`, []string{":invalid-json"}},
		{"bare exponent", `{` + minimal + `,"data":1e+}`, []string{":invalid-json"}},
		{"NaN", `{` + minimal + `,"data":NaN}`, []string{":invalid-json"}},
		{"array without comma", `{` + minimal + `,"data":[1 2]}`, []string{":invalid-json"}},
		{"NUL after", "{" + minimal + "}\x00", []string{":invalid-json"}},
		{"half surrogate in a name", `{` + minimal + `,"\ud800":1}`, []string{`"\\ud800":invalid-attribute-name`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, problems := event.ParseJSON([]byte(c.document))
			if e != nil {
				t.Fatalf("got an event: %+v", e)
			}
			wantCodes(t, problems, c.want...)
		})
	}
}

func TestParseJSONAccepts(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 900) + strings.Repeat("]", 900)
	big := `{"n":1e400,"m":` + strings.Repeat("9", 100) + `,"a":1,"a":2}`
	base := event.Event{ID: "1", Source: "/s", Type: "t"}
	with := func(change func(e *event.Event)) *event.Event {
		e := base
		change(&e)
		return &e
	}
	for _, c := range []struct {
		name, document string
		want           *event.Event
	}{
		{"minimal", `{` + minimal + `}`, &base},
		{"any order, white space", " {\"type\":\"t\",\r\n\t\"source\" : \"/s\" , \"id\":\"1\",\"specversion\":\"1.0\"}\n", &base},
		{
			"C11 null, true, integers", `{` + minimal + `,"a":null,"b":true,"c":false,"d":-2147483648,"e":2147483647,"f":-0}`,
			with(func(e *event.Event) {
				e.Extensions = []event.Attribute{
					{Name: "b", Value: "true"},
					{Name: "c", Value: "false"},
					{Name: "d", Value: "-2147483648"},
					{Name: "e", Value: "2147483647"},
					{Name: "f", Value: "0"},
				}
			}),
		},
		{"C10 21 characters", `{` + minimal + `,"aaaaaaaaaaaaaaaaaaaaa":"x"}`, with(func(e *event.Event) {
			e.Extensions = []event.Attribute{{Name: "aaaaaaaaaaaaaaaaaaaaa", Value: "x"}}
		})},
		{
			"C12 leap second", `{` + minimal + `,"time":"2016-12-31T23:59:60Z"}`,
			with(func(e *event.Event) { e.Time = "2016-12-31T23:59:60Z" }),
		},
		{"C12 null", `{` + minimal + `,"time":null}`, &base},
		{
			"C12 lower case, offset", `{` + minimal + `,"time":"2024-02-29t03:04:05.123456789012+05:30"}`,
			with(func(e *event.Event) { e.Time = "2024-02-29t03:04:05.123456789012+05:30" }),
		},
		{
			"C15 text", `{` + minimal +
				`,"datacontenttype":"TEXT/Plain; CharSet=UTF-8","data":"a\n\"\u00e9\ud83d\ude00\\\/\b\f\r\t"}`,
			with(func(e *event.Event) {
				e.DataContentType, e.Data = "TEXT/Plain; CharSet=UTF-8", []byte("a\n\"é😀\\/\b\f\r\t")
			}),
		},
		{
			"C15 JSON string is not decoded twice", `{` + minimal + `,"datacontenttype":"application/x+json","data":"{\"a\":1}"}`,
			with(func(e *event.Event) { e.DataContentType, e.Data = "application/x+json", []byte(`"{\"a\":1}"`) }),
		},
		{
			"C15 implied JSON", `{"data":{"a": 1},` + minimal + `}`,
			with(func(e *event.Event) { e.DataContentType, e.Data = "application/json", []byte(`{"a": 1}`) }),
		},
		{
			"JSON null is data", `{` + minimal + `,"data":null}`,
			with(func(e *event.Event) { e.DataContentType, e.Data = "application/json", []byte(`null`) }),
		},
		{"base64 null is none", `{` + minimal + `,"data_base64":null}`, &base},
		{
			"base64 and data null", `{` + minimal + `,"data_base64":null,"data":1}`,
			with(func(e *event.Event) { e.DataContentType, e.Data = "application/json", []byte(`1`) }),
		},
		{
			"base64 needs no datacontenttype", `{` + minimal + `,"data_base64":"/w\u003d="}`,
			with(func(e *event.Event) { e.Data = []byte{0xFF} }),
		},
		{
			"C18 numbers byte for byte", `{` + minimal + `,"data":` + big + `}`,
			with(func(e *event.Event) { e.DataContentType, e.Data = "application/json", []byte(big) }),
		},
		{
			"depth within the bound", `{` + minimal + `,"data":` + deep + `}`,
			with(func(e *event.Event) { e.DataContentType, e.Data = "application/json", []byte(deep) }),
		},
		{
			"C20 64 KiB", `{` + minimal + `,"data":"` + strings.Repeat("x", 64<<10) + `"}`,
			with(func(e *event.Event) {
				e.DataContentType, e.Data = "application/json", []byte(`"`+strings.Repeat("x", 64<<10)+`"`)
			}),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, problems := event.ParseJSON([]byte(c.document))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			same(t, "event", got, c.want)
		})
	}
}

func TestParseJSONReportsEverythingWithPointers(t *testing.T) {
	t.Parallel()
	_, problems := event.ParseJSON([]byte(`{"id":"","time":"now","a/b~c":1,"ext":1.5}`))
	var got []string
	for _, p := range problems {
		got = append(got, p.Pointer)
	}
	want := "[/id /time /a~1b~0c /ext /source /specversion /type]"
	if fmt.Sprint(got) != want {
		t.Fatalf("got %v, want %v", got, want)
	}
	text, err := json.Marshal(problems[1])
	if err != nil || string(text) != `{"attribute":"time","pointer":"/time","code":"invalid-attribute",`+
		`"detail":"time \"now\" is not an RFC 3339 time: want for example 2026-01-02T15:04:05Z"}` {
		t.Fatalf("%s, %v", text, err)
	}
}

func TestParseJSONBoundsWhatItReports(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{` + minimal)
	for i := range 70 {
		fmt.Fprintf(&b, `,"_%d":%q`, i, strings.Repeat("x", 5000))
	}
	_, problems := event.ParseJSON([]byte(b.String() + `}`))
	if len(problems) != event.MaxProblems {
		t.Fatalf("got %d problems", len(problems))
	}
	for name, document := range map[string]string{
		"extensions": members(event.MaxExtensions+1, 1),
		"members":    members(500, 1),
		"bytes":      members(10, 4000),
	} {
		_, problems := event.ParseJSON([]byte(document))
		if len(problems) == 0 {
			t.Errorf("%s: accepted", name)
		}
		for _, p := range problems {
			if p.Code != event.CodeTooManyAttributes {
				t.Errorf("%s: %v", name, p)
			}
		}
	}
	if _, problems := event.ParseJSON([]byte(members(event.MaxExtensions, 400))); len(problems) > 0 {
		t.Errorf("within the limits: %v", problems)
	}
}

// members makes an event with n extensions of size bytes each.
func members(n, size int) string {
	var b strings.Builder
	b.WriteString(`{` + minimal)
	for i := range n {
		fmt.Fprintf(&b, `,"x%d":%q`, i, strings.Repeat("x", size))
	}
	return b.String() + `}`
}

func TestParseBatch(t *testing.T) {
	t.Parallel()
	one := `{` + minimal + `}`
	hundred := "[" + strings.TrimSuffix(strings.Repeat(one+",", 100), ",") + "]"
	for _, c := range []struct {
		name, document string
		events         int
		want           []string // pointer:code
	}{
		{"C19 none", `[]`, 0, nil},
		{"C19 one", `[` + one + `]`, 1, nil},
		{"C19 100", hundred, 100, nil},
		{"C19 101", hundred[:len(hundred)-1] + "," + one + "]", 0, []string{":batch-too-large"}},
		{
			"C19 one bad", `[` + one + `,{` + minimal + `,"time":"x","A":1},` + one + `]`, 0,
			[]string{"/1/time:invalid-attribute", "/1/A:invalid-attribute-name"},
		},
		{"C19 bad in two", `[{},` + `{"specversion":"1.0","id":"1","type":"t"}]`, 0, []string{
			"/0/id:missing-attribute", "/0/source:missing-attribute", "/0/specversion:missing-attribute", "/0/type:missing-attribute",
			"/1/source:missing-attribute",
		}},
		{"not an object", `[` + one + `,7]`, 0, []string{"/1:invalid-json"}},
		{"an object", one, 0, []string{":invalid-json"}},
		{"empty", ``, 0, []string{":invalid-json"}},
		{"trailing comma", `[` + one + `,]`, 0, []string{"/1:invalid-json"}},
		{"trailing text", `[]x`, 0, []string{":invalid-json"}},
		{"cut", `[` + one, 0, []string{":invalid-json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			events, problems := event.ParseBatch([]byte(c.document), 0)
			if len(events) != c.events {
				t.Errorf("got %d events, want %d", len(events), c.events)
			}
			var got []string
			for _, p := range problems {
				got = append(got, p.Pointer+":"+p.Code)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	empty := []byte("[" + strings.TrimSuffix(strings.Repeat("{},", 50), ",") + "]")
	if _, problems := event.ParseBatch(empty, 0); len(problems) != event.MaxProblems {
		t.Errorf("got %d problems, want %d", len(problems), event.MaxProblems)
	}
}

func TestAppendJSONChoosesTheMember(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ contentType, data, want string }{
		{"application/json", `{"a":1}`, `"data":{"a":1}`},
		{"application/json", "{}\n", `"data_base64":"e30K"`},
		{"application/json", "{broken", `"data_base64":"e2Jyb2tlbg=="`},
		{"application/json", "\"\xff\"", `"data_base64":"Iv8i"`},
		{"application/x+json", `"s"`, `"data":"s"`},
		{"text/plain", "a\"\\\x00\x7fé", `"data":"a\"\\\u0000\u007Fé"`},
		{"text/plain; charset=latin1", "a", `"data_base64":"YQ=="`},
		{"image/png", "\x89PNG", `"data_base64":"iVBORw=="`},
		{"", `{}`, `"data_base64":"e30="`},
	} {
		e := &event.Event{ID: "1", Source: "/s", Type: "t", DataContentType: c.contentType, Data: []byte(c.data)}
		got := string(event.AppendJSON(nil, e))
		if !strings.Contains(got, ","+c.want+"}") || !json.Valid([]byte(got)) {
			t.Errorf("%s %q: got %s, want %s", c.contentType, c.data, got, c.want)
		}
	}
	if got := string(event.AppendJSON(nil, &event.Event{ID: "1", Source: "/s", Type: "t"})); strings.Contains(got, "data") {
		t.Errorf("no data: got %s", got)
	}
}
