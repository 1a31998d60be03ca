package bridge

import (
	"net/http"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/client"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/event"
)

// sdkClient is the HTTP client of the CloudEvents SDK, as its documentation makes one.
func sdkClient(t *testing.T, url string) client.Client {
	t.Helper()
	p, err := cehttp.New(cloudevents.WithTarget(url))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(p, client.WithTimeNow(), client.WithUUIDs())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sdkEvent(t *testing.T, id string) cloudevents.Event {
	t.Helper()
	e := cloudevents.NewEvent()
	e.SetID(id)
	e.SetSource("https://example.com/shop?a=b")
	e.SetType("com.example.order")
	e.SetSubject("order 7")
	e.SetTime(time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC))
	e.SetDataSchema("https://example.com/schema")
	e.SetExtension("partitionkey", "k1")
	e.SetExtension("attempts", 7)
	if err := e.SetData("application/json", map[string]any{"n": 1}); err != nil {
		t.Fatal(err)
	}
	return e
}

func wantSDKEvent(id string) *event.Event {
	return &event.Event{
		ID: id, Source: "https://example.com/shop?a=b", Type: "com.example.order", Subject: "order 7", Time: "2026-01-02T03:04:05.6Z",
		DataSchema: "https://example.com/schema", DataContentType: "application/json", Data: []byte(`{"n":1}`),
		Extensions: []event.Attribute{{Name: "attempts", Value: "7"}, {Name: "partitionkey", Value: "k1"}},
	}
}

func TestClientOfTheCloudEventsSDK(t *testing.T) {
	t.Parallel()
	b := serve(t)
	c := sdkClient(t, b.url+"/events")
	for i, mode := range []struct {
		name     string
		encoding func(*testing.T) cloudevents.Event
		binary   bool
	}{
		{"binary", func(t *testing.T) cloudevents.Event { return sdkEvent(t, "binary") }, true},
		{"structured", func(t *testing.T) cloudevents.Event { return sdkEvent(t, "structured") }, false},
	} {
		ctx := cloudevents.WithEncodingStructured(t.Context())
		if mode.binary {
			ctx = cloudevents.WithEncodingBinary(t.Context())
		}
		for try := range 2 { // the second is known already
			result := c.Send(ctx, mode.encoding(t))
			if !cloudevents.IsACK(result) {
				t.Fatalf("%s, try %d: %v", mode.name, try, result)
			}
		}
		if diff := cmp.Diff(wantSDKEvent(mode.name), b.decoded(t, uint64(i+1))); diff != "" {
			t.Errorf("%s:\n%s", mode.name, diff)
		}
	}
	if n := b.count(t); n != 2 {
		t.Errorf("stored %d, want 2", n)
	}
}

// TestSDKClientHearsOfRefusals: a client of the SDK can tell a bad event from a moment of trouble.
func TestSDKClientHearsOfRefusals(t *testing.T) {
	t.Parallel()
	b := serve(t)
	e := sdkEvent(t, "1")
	e.SetType("no subject")
	var result *cehttp.Result
	err := sdkClient(t, b.url+"/events").Send(t.Context(), e)
	if !cloudevents.ResultAs(err, &result) || result.StatusCode != http.StatusBadRequest || cloudevents.IsACK(err) ||
		!strings.Contains(err.Error(), "/events/SUBJECT") {
		t.Errorf("got %v", err)
	}
	if n := b.count(t); n != 0 {
		t.Errorf("stored %d", n)
	}
}

func TestBatchOfTheCloudEventsSDK(t *testing.T) {
	t.Parallel()
	b := serve(t)
	send := func(events ...cloudevents.Event) answer {
		t.Helper()
		req, err := cehttp.NewHTTPRequestFromEvents(t.Context(), b.url+"/events/orders", events)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return read(t, resp)
	}
	if a := send(sdkEvent(t, "1"), sdkEvent(t, "2"), sdkEvent(t, "3")); a.StatusCode != http.StatusAccepted {
		t.Fatalf("%d: %s", a.StatusCode, a.body)
	}
	if a := send(sdkEvent(t, "3"), sdkEvent(t, "4")); a.StatusCode != http.StatusAccepted {
		t.Fatalf("%d: %s", a.StatusCode, a.body)
	}
	for i, id := range []string{"1", "2", "3", "4"} {
		if diff := cmp.Diff(wantSDKEvent(id), b.decoded(t, uint64(i+1))); diff != "" {
			t.Errorf("%s:\n%s", id, diff)
		}
	}
	if n := b.count(t); n != 4 {
		t.Errorf("stored %d, want 4", n)
	}
}

// TestLargestEventOfTheSDK: 64 KiB must pass everywhere.
func TestLargestEventOfTheSDK(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for _, mode := range []string{"binary", "structured"} {
		ctx := cloudevents.WithEncodingStructured(t.Context())
		if mode == "binary" {
			ctx = cloudevents.WithEncodingBinary(t.Context())
		}
		e := sdkEvent(t, mode)
		if err := e.SetData("text/plain", strings.Repeat("x", 64<<10)); err != nil {
			t.Fatal(err)
		}
		if result := sdkClient(t, b.url+"/events").Send(ctx, e); !cloudevents.IsACK(result) {
			t.Fatalf("%s: %v", mode, result)
		}
	}
	if n := b.count(t); n != 2 {
		t.Errorf("stored %d, want 2", n)
	}
}
