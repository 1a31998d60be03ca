package batchjson_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/batchjson"
)

// items are a1, b1, a2: two sources, of which two events have the id 1.
func items() []invoke.Item {
	return []invoke.Item{
		{Event: &event.Event{ID: "1", Source: "/a", Type: "t"}, Attempt: 1},
		{Event: &event.Event{ID: "1", Source: "/b", Type: "t"}, Attempt: 1},
		{Event: &event.Event{ID: "2", Source: "/a", Type: "t"}, Attempt: 1},
	}
}

const (
	a1 = `{"id":"1","source":"/a","outcome":"done"}`
	b1 = `{"id":"1","source":"/b","outcome":"done"}`
	a2 = `{"id":"2","outcome":"done"}`
)

func results(entries ...string) string { return `{"results":[` + strings.Join(entries, ",") + `]}` }

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want string // a letter for each event, or what the error says
	}{
		"nothing":          {"", "ddd"},
		"white space":      {" \n", "ddd"},
		"null":             {"null", "ddd"},
		"empty object":     {"{}", "ddd"},
		"all":              {results(a1, b1, a2), "ddd"},
		"other order":      {results(a2, b1, a1), "ddd"},
		"outcomes":         {results(`{"id":"2","outcome":"retry","reason":"r","retryAfter":1.5}`, `{"id":"1","source":"/b","outcome":"reject"}`, a1), "dxr"},
		"nulls":            {results(`{"id":"2","outcome":"done","reason":null,"retryAfter":null,"reply":null}`, a1, b1), "ddd"},
		"more members":     {results(`{"id":"2","outcome":"done","took":7}`, a1, b1), "ddd"},
		"no failures":      {`{"batchItemFailures":[]}`, "ddd"},
		"null failures":    {`{"batchItemFailures":null}`, "ddd"},
		"failures":         {`{"batchItemFailures":[{"itemIdentifier":"2"},{"itemIdentifier":"1","source":"/b"}]}`, "drr"},
		"bad reply":        {results(a1, b1, `{"id":"2","outcome":"done","reply":{"specversion":"1.0"}}`), "dd!"},
		"unknown id":       {results(a1, b1, `{"id":"3","outcome":"done"}`), `result 3 of the answer names id "3", which is not in the batch`},
		"unknown source":   {results(`{"id":"1","source":"/c","outcome":"done"}`), `names id "1" of source "/c", which is not in the batch`},
		"ambiguous id":     {results(`{"id":"1","outcome":"done"}`), `names id "1", which 2 events of the batch have: write their source too`},
		"ambiguous":        {`{"batchItemFailures":[{"itemIdentifier":"1"}]}`, `failure 1 of the answer names id "1", which 2 events`},
		"twice":            {results(a1, b1, a2, a2), `result 4 of the answer names id "2" a second time`},
		"missing":          {results(a1, a2), `has 2 results for 3 events: there is none for id "1"`},
		"none":             {`{"results":[]}`, "has 0 results for 3 events"},
		"no id":            {results(`{"outcome":"done"}`), "result 1 of the answer has no id"},
		"empty id":         {`{"batchItemFailures":[{"itemIdentifier":""}]}`, "failure 1 of the answer has no itemIdentifier"},
		"null id":          {`{"batchItemFailures":[{"itemIdentifier":null}]}`, "has no itemIdentifier"},
		"wrong id":         {results(`{"id":2,"outcome":"done"}`), "result 1 of the answer is"},
		"no outcome":       {results(`{"id":"2"}`), `result 1 of the answer has no outcome: want "done", "retry" or "reject"`},
		"unknown outcome":  {results(`{"id":"2","outcome":"ok"}`), `has the outcome "ok": want "done"`},
		"wrong outcome":    {results(`{"id":"2","outcome":true}`), "result 1 of the answer is"},
		"wrong delay":      {results(`{"id":"2","outcome":"retry","retryAfter":"5s"}`), "result 1 of the answer is"},
		"negative delay":   {results(`{"id":"2","outcome":"retry","retryAfter":-1}`), "has the retryAfter -1: want seconds"},
		"delay and done":   {results(`{"id":"2","outcome":"done","retryAfter":1}`), "has a retryAfter, and its outcome is done"},
		"reply and retry":  {results(`{"id":"2","outcome":"retry","reply":{}}`), "has a reply, and its outcome is retry"},
		"no object":        {results(`"2"`), "result 1 of the answer is"},
		"another key":      {`{"result":[]}`, "is not understood: want no answer at all if all is done"},
		"both":             {`{"results":[],"batchItemFailures":[]}`, "has both"},
		"both, one null":   {`{"results":[],"batchItemFailures":null}`, "has both"},
		"null results":     {`{"results":null}`, "is not understood"},
		"array":            {`[]`, "is not understood"},
		"text":             {"ok", `the answer "ok" is not understood`},
		"half":             {`{"results":[`, "is not understood"},
		"two":              {`{} {}`, "is not understood"},
		"results no array": {`{"results":{}}`, "is not understood"},
	}
	for name, test := range tests {
		got, err := batchjson.ReadAnswer([]byte(test.body), items())
		check(t, name, got, err, test.want)
	}
}

func check(t *testing.T, name string, got []invoke.Result, err error, want string) {
	t.Helper()
	letters := ""
	for _, r := range got {
		switch {
		case r.Err != nil:
			letters += "!"
		default:
			letters += map[invoke.Kind]string{invoke.Done: "d", invoke.Retry: "r", invoke.Reject: "x"}[r.Outcome.Kind]
		}
	}
	var e *invoke.Error
	switch {
	case err == nil && letters != want:
		t.Errorf("%s: got %s, want %s", name, letters, want)
	case err != nil && (!errors.As(err, &e) || e.Code != invoke.CodeBadResponse || !strings.Contains(err.Error(), want) || got != nil):
		t.Errorf("%s: got %v and results %v, want %q", name, err, got, want)
	}
}

func TestReadLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ out, want string }{
		"nothing":    {"", "ddd"},
		"only lines": {"\n\n", "ddd"},
		"all":        {a1 + "\n\r\n" + b1 + "\r\n" + a2, "ddd"},
		"missing":    {a1 + "\n" + b1, "has 2 results for 3 events"},
		"text":       {"hello\n", `result 1 of the answer is "hello"`},
		"document":   {`{"results":[]}`, "result 1 of the answer has no id"},
	} {
		got, err := batchjson.ReadLines([]byte(test.out), items())
		check(t, name, got, err, test.want)
	}
}

func TestDelaysAndReasons(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2000)
	got, err := batchjson.ReadAnswer([]byte(results(
		`{"id":"1","source":"/a","outcome":"retry","retryAfter":1.5}`, `{"id":"1","source":"/b","outcome":"retry","retryAfter":1e99}`,
		`{"id":"2","outcome":"reject","reason":"`+long+`"}`)), items())
	if err != nil {
		t.Fatal(err)
	}
	want := []invoke.Result{
		{Outcome: invoke.Outcome{Kind: invoke.Retry, After: 1500 * time.Millisecond}},
		{Outcome: invoke.Outcome{Kind: invoke.Retry, After: 24 * time.Hour}},
		{Outcome: invoke.Outcome{Kind: invoke.Reject, Reason: long[:invoke.MaxReason]}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestAttemptExtensions are added and taken out again, also where the event has such names itself.
func TestAttemptExtensions(t *testing.T) {
	t.Parallel()
	own := []event.Attribute{{Name: "peltonattempt", Value: "77"}, {Name: "other", Value: "x"}, {Name: "peltonredeliveries", Value: "many"}}
	in := []invoke.Item{{Event: &event.Event{ID: "1", Source: "/a", Type: "t", Extensions: own}, Attempt: 3, Redeliveries: 2}}
	events, problems := event.ParseBatch(batchjson.AppendArray(nil, in), 1)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	attempt, redeliveries := batchjson.Attempt(events[0])
	if attempt != 3 || redeliveries != 2 || !cmp.Equal(events[0].Extensions, own[1:2]) || len(own) != 3 || own[0].Value != "77" {
		t.Errorf("attempt %d, redeliveries %d, event %+v", attempt, redeliveries, events[0])
	}
}

// FuzzReadAnswer wants that an answer is either about every event or an error.
func FuzzReadAnswer(f *testing.F) {
	f.Add(results(a1, b1, a2))
	f.Add(`{"batchItemFailures":[{"itemIdentifier":"2"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		got, err := batchjson.ReadAnswer([]byte(body), items())
		if err == nil && len(got) != 3 || err != nil && got != nil {
			t.Fatalf("%d results, error %v", len(got), err)
		}
	})
}

// TestAnswerRoundTrip reads what AppendAnswer writes.
func TestAnswerRoundTrip(t *testing.T) {
	t.Parallel()
	in := items()
	events := []*event.Event{in[0].Event, in[1].Event, in[2].Event}
	outcomes := []invoke.Outcome{
		{Kind: invoke.Retry, Reason: "ørken \"☂\"", After: 7 * time.Second},
		{Reply: &event.Event{ID: "r", Source: "/s", Type: "t", Data: []byte{0, 0xff}}},
		{Kind: invoke.Reject, Reason: "no"},
	}
	got, err := batchjson.ReadAnswer(batchjson.AppendAnswer(nil, events, outcomes), in)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range outcomes {
		if d := cmp.Diff(invoke.Result{Outcome: o}, got[i]); d != "" {
			t.Errorf("event %d: %s", i, d)
		}
	}
}
