package bridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const (
	structured = "application/cloudevents+json"
	batch      = "application/cloudevents-batch+json"
)

func TestRawBodyBecomesAnEvent(t *testing.T) {
	t.Parallel()
	b := serve(t)
	tests := []struct {
		name, path, contentType, body string
		subject, dataType             string
	}{
		{
			"curl -d with JSON", "/events/hello", "application/x-www-form-urlencoded", `{"name":"you"}`, "events.hello",
			"application/json",
		},
		{
			"curl -d with a form", "/events/hello", "application/x-www-form-urlencoded", "a=1&b=2", "events.hello",
			"application/x-www-form-urlencoded",
		},
		{"JSON without a type", "/events/orders.created", "", `[1]`, "events.orders.created", "application/json"},
		{"text without a type", "/events/orders/created", "", `hi`, "events.orders.created", "text/plain; charset=utf-8"},
		{"bytes without a type", "/events/A_b-1", "", "\x00\xff", "events.A_b-1", "application/octet-stream"},
		{"a type as declared", "/events/img", "image/jpeg", "{}", "events.img", "image/jpeg"},
		{"nothing at all", "/events/empty", "", "", "events.empty", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := []string{}
			if tt.contentType != "" {
				header = []string{"Content-Type", tt.contentType}
			}
			got := wantAccepted(t, b.post(t, tt.path, tt.body, header...))
			e := b.decoded(t, got.Sequence)
			if got.Subject != tt.subject || e.Type != tt.subject || e.Subject != tt.subject {
				t.Errorf("published on %s, type %s, subject %s, want all %s", got.Subject, e.Type, e.Subject, tt.subject)
			}
			if e.ID != got.ID || e.DataContentType != tt.dataType || string(e.Data) != tt.body {
				t.Errorf("got %+v with data %q", e, e.Data)
			}
			if e.Source != "/events/"+strings.TrimPrefix(tt.subject, "events.") {
				t.Errorf("source %q", e.Source)
			}
			if id, err := uuid.Parse(e.ID); err != nil || id.Version() != 7 {
				t.Errorf("id %q is no UUIDv7", e.ID)
			}
			if at, err := time.Parse(time.RFC3339Nano, e.Time); err != nil || time.Since(at).Abs() > time.Hour {
				t.Errorf("time %q: %v", e.Time, err)
			}
		})
	}
}

func TestIdempotencyKeyMakesRetriesOneEvent(t *testing.T) {
	t.Parallel()
	b := serve(t)
	first := wantAccepted(t, b.post(t, "/events/pay", "1", "Idempotency-Key", "order-1"))
	again := wantAccepted(t, b.post(t, "/events/pay", "1", "Idempotency-Key", "order-1"))
	other := wantAccepted(t, b.post(t, "/events/ship", "1", "Idempotency-Key", "order-1"))
	if first.ID != "order-1" || first.Duplicate || !again.Duplicate || again.Sequence != first.Sequence {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if other.Duplicate || b.count(t) != 2 {
		t.Errorf("the same key on another subject: %+v, %d stored, want 2", other, b.count(t))
	}
}

func TestTraceContextOfARawRequestIsKept(t *testing.T) {
	t.Parallel()
	b := serve(t)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	e := b.decoded(t, wantAccepted(t, b.post(t, "/events/x", "1", "Traceparent", parent, "Tracestate", "a=b")).Sequence)
	if got, _ := e.Extension("traceparent"); got != parent {
		t.Errorf("traceparent %q", got)
	}
	if got, _ := e.Extension("tracestate"); got != "a=b" {
		t.Errorf("tracestate %q", got)
	}
	e = b.decoded(t, wantAccepted(t, b.post(t, "/events/x", "1", "Traceparent", "junk")).Sequence)
	if len(e.Extensions) != 0 {
		t.Errorf("extensions %v of a broken header", e.Extensions)
	}
}

func TestCloudEventsOfAllModesAreStoredAlike(t *testing.T) {
	t.Parallel()
	b := serve(t)
	want := &event.Event{
		ID: "Euro €", Source: "/shop?a=b", Type: "com.example.order", Subject: "a b", Time: "2026-01-02T03:04:05.60Z",
		DataContentType: "application/json", DataSchema: "https://example.com/s", Data: []byte(`{"n":12345678901234567890.10}`),
		Extensions: []event.Attribute{{Name: "partitionkey", Value: "k\"%"}},
	}
	binary := []string{
		"ce-specversion", "1.0", "ce-id", "Euro%20%E2%82%AC", "CE-Source", "/shop?a=b", "ce-type", "com.example.order",
		"ce-subject", "a%20b", "ce-time", want.Time, "ce-dataschema", want.DataSchema, "ce-partitionkey", "k%22%25",
		"Content-Type", "application/json",
	}
	document := string(event.AppendJSON(nil, want))
	for i, path := range []string{"/events/a", "/events/b", "/events"} {
		var got accepted
		subject := []string{"events.a", "events.b", "events.com.example.order"}[i]
		switch i {
		case 0:
			got = wantAccepted(t, b.post(t, path, string(want.Data), binary...))
		default:
			document := strings.Replace(document, "/shop", fmt.Sprint("/shop", i), 1)
			got = wantAccepted(t, b.post(t, path, document, "Content-Type", structured+"; charset=UTF-8"))
		}
		e := b.decoded(t, got.Sequence)
		e.Source = want.Source
		if diff := cmp.Diff(want, e); diff != "" || got.Subject != subject || got.ID != want.ID {
			t.Errorf("%s: answered %+v; stored:\n%s", path, got, diff)
		}
	}
	m, err := b.events.GetMsg(t.Context(), 2)
	if err != nil || m.Header.Get("ce-id") == "" || !bytes.Equal(m.Data, want.Data) {
		t.Errorf("structured input is not binary on NATS: %v %v %s", err, m.Header, m.Data)
	}
}

func TestInboundNatsHeadersStayOutside(t *testing.T) {
	t.Parallel()
	b := serve(t)
	got := wantAccepted(t, b.post(t, "/events/x", "1", "Nats-Rollup", "all", "Nats-TTL", "1s", "Nats-Msg-Id", "mine",
		"X-Other", "1"))
	m, err := b.events.GetMsg(t.Context(), got.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Nats-Rollup", "Nats-TTL", "Nats-Ttl", "X-Other"} {
		if m.Header.Get(name) != "" {
			t.Errorf("header %s was stored", name)
		}
	}
	if m.Header.Get(headerMsgID) == "mine" {
		t.Error("the caller chose the message id")
	}
}

func TestBatchIsStoredTogether(t *testing.T) {
	t.Parallel()
	b := serve(t)
	item := func(id, kind string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/s","type":%q,"data":%q}`, id, kind, id)
	}
	post := func(path string, items ...string) acceptedBatch {
		t.Helper()
		a := b.post(t, path, "["+strings.Join(items, ",")+"]", "Content-Type", batch)
		var got acceptedBatch
		if err := json.Unmarshal(a.body, &got); err != nil || a.StatusCode != http.StatusAccepted {
			t.Fatalf("%d: %s", a.StatusCode, a.body)
		}
		if got.Accepted != len(items) || len(got.Events) != len(items) || got.Events == nil {
			t.Fatalf("answer %s for %d items", a.body, len(items))
		}
		return got
	}
	post("/events")
	one := post("/events", item("a", "t.one"), item("b", "t.two"), item("a", "t.one"))
	if one.Events[1].Subject != "events.t.two" || !one.Events[2].Duplicate || one.Events[2].Sequence != one.Events[0].Sequence {
		t.Errorf("batch with an id twice: %+v", one)
	}
	two := post("/events/sub", item("c", "t"), item("b", "t"), item("d", "t"))
	if two.Events[0].Duplicate || !two.Events[1].Duplicate || two.Events[1].Sequence != 2 || two.Events[2].Duplicate {
		t.Errorf("batch with an id that is stored: %+v", two)
	}
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, item(fmt.Sprint("h", i), "t"))
	}
	post("/events/sub", hundred...)
	if n := b.count(t); n != 104 {
		t.Errorf("stored %d, want 104", n)
	}
	for _, e := range two.Events {
		if got := b.decoded(t, e.Sequence); got.ID != e.ID || string(got.Data) != fmt.Sprintf("%q", e.ID) {
			t.Errorf("at %d: %+v, want %s", e.Sequence, got, e.ID)
		}
	}
}

func TestThousandConcurrentPostsOfOneEvent(t *testing.T) {
	t.Parallel()
	b := serve(t)
	b.client.Transport.(*http.Transport).MaxIdleConnsPerHost = 128
	var g errgroup.Group
	g.SetLimit(128)
	firsts := make(chan accepted, 1000)
	for range 1000 {
		g.Go(func() error {
			got := wantAccepted(t, b.post(t, "/events/x", "1", "Idempotency-Key", "same"))
			if got.Sequence != 1 {
				return fmt.Errorf("sequence %d", got.Sequence)
			}
			if !got.Duplicate {
				firsts <- got
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := b.count(t); n != 1 || len(firsts) != 1 {
		t.Errorf("%d stored, %d answers say they were first; want 1 and 1", n, len(firsts))
	}
}

// TestKnownEventsFailNobody: a group of concurrent requests is one batch for the server, which refuses it whole for one id that
// it knows.
func TestKnownEventsFailNobody(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) { c.StoreTimeout = 25 * time.Second }) // the machine may be busy
	b.client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	known := wantAccepted(t, b.post(t, "/events/x", "1", "Idempotency-Key", "known"))
	var g errgroup.Group
	g.SetLimit(64)
	for i := range 400 {
		g.Go(func() error {
			key := fmt.Sprint("new-", i)
			if i%20 == 0 {
				key = "known"
			}
			got := wantAccepted(t, b.post(t, "/events/x", "1", "Idempotency-Key", key))
			if got.Duplicate != (key == "known") || got.Duplicate && got.Sequence != known.Sequence {
				return fmt.Errorf("%s: %+v", key, got)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if n := b.count(t); n != 381 {
		t.Errorf("stored %d, want 381", n)
	}
}

func TestLargestEventsPass(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for _, size := range []int{64 << 10, DefaultMaxBody} {
		got := wantAccepted(t, b.post(t, "/events/big", strings.Repeat("x", size)))
		if e := b.decoded(t, got.Sequence); len(e.Data) != size {
			t.Errorf("stored %d bytes, want %d", len(e.Data), size)
		}
	}
}

func TestHTTPTriggerQueuesForItsFunction(t *testing.T) {
	t.Parallel()
	b := serve(t)
	err := b.SetRoutes([]Route{
		{Path: "/thumbnails", Namespace: "default", Function: "thumbs"},
		{Path: "/thumbnails", Methods: []string{"GET", "PUT"}, Namespace: "default", Function: "reader"},
	})
	if err != nil {
		t.Fatal(err)
	}
	work, err := b.nats.JetStream(t).Stream(t.Context(), stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	got := wantAccepted(t, b.post(t, "/thumbnails?size=3", "jpeg", "Content-Type", "image/jpeg"))
	if got.Subject != "pelton.work.default.thumbs.http" {
		t.Errorf("queued on %s", got.Subject)
	}
	e := decode(t, work, got.Sequence)
	method, _ := e.Extension("httpmethod")
	query, _ := e.Extension("httpquery")
	if e.Type != requestType || e.Source != "/thumbnails" || method != "POST" || query != "size=3" || string(e.Data) != "jpeg" {
		t.Errorf("queued %+v", e)
	}
	if got := wantAccepted(t, b.do(t, "GET", "/thumbnails", "")); got.Subject != "pelton.work.default.reader.http" {
		t.Errorf("GET queued on %s", got.Subject)
	}
	ce := []string{"ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t"}
	post := wantAccepted(t, b.post(t, "/thumbnails", "", ce...))
	put := wantAccepted(t, b.do(t, "PUT", "/thumbnails", "", ce...))
	if put.Duplicate || post.Duplicate {
		t.Errorf("one event for two functions: %+v, %+v", post, put)
	}
	a := b.do(t, "DELETE", "/thumbnails", "")
	wantProblem(t, a, http.StatusMethodNotAllowed, "method-not-allowed")
	if allow := a.Header.Get("Allow"); allow != "GET, POST, PUT, OPTIONS" {
		t.Errorf("Allow: %s", allow)
	}
	if n := b.count(t); n != 0 {
		t.Errorf("%d events were published for all", n)
	}
	if err := b.SetRoutes(nil); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, b.post(t, "/thumbnails", ""), http.StatusNotFound, "not-found")
}

func TestHTTPTriggersAreCommittedInGroups(t *testing.T) {
	t.Parallel()
	b := serve(t)
	if err := b.SetRoutes([]Route{{Path: "/f", Namespace: "default", Function: "f"}}); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for range 200 {
		g.Go(func() error { wantAccepted(t, b.post(t, "/f", "1")); return nil })
	}
	_ = g.Wait()
	work, err := b.nats.JetStream(t).Stream(t.Context(), stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		if n := stored(t, work); n != 200 {
			return fmt.Errorf("%d queued, want 200", n)
		}
		return nil
	})
}

func TestSetRoutesRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) {
		c.Public = map[string]http.Handler{"/healthz": http.NotFoundHandler(), "/": http.NotFoundHandler()}
		c.Handlers = map[string]http.Handler{"/dash/": http.NotFoundHandler()}
	})
	if err := b.SetRoutes([]Route{{Path: "/ok", Namespace: "default", Function: "f"}}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []Route{
		{Path: "/events", Namespace: "default", Function: "f"},
		{Path: "/events/x", Namespace: "default", Function: "f"},
		{Path: "/healthz", Namespace: "default", Function: "f"},
		{Path: "/dash/x", Namespace: "default", Function: "f"},
		{Path: "nope", Namespace: "default", Function: "f"},
		{Path: "/f", Namespace: "default", Function: "a.b"},
		{Path: "/f", Methods: []string{"POST", "POST"}, Namespace: "default", Function: "f"},
	} {
		if err := b.SetRoutes([]Route{r}); err == nil {
			t.Errorf("route %+v was taken", r)
		}
	}
	wantAccepted(t, b.post(t, "/ok", "")) // the old routes stay, and win over a handler for /
}
