package event_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/event"
)

// perCheck events in each of rapid's 100 calls make the 10,000 random events of the round trip.
const perCheck = 100

// eachEvent draws n events for each of rapid's 100 calls.
func eachEvent(t *testing.T, n int, check func(t *rapid.T, e *event.Event)) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		n = 1
	}
	rapid.Check(t, func(t *rapid.T) {
		for range n {
			e := genEvent().Draw(t, "event")
			if problems := e.Validate(); len(problems) > 0 {
				t.Fatalf("generated event is not valid: %v", problems)
			}
			check(t, e)
		}
	})
}

// C21: attributes and bytes are the same after every transport.
func TestRoundTrip(t *testing.T) {
	eachEvent(t, perCheck, func(t *rapid.T, e *event.Event) {
		throughNATS(t, e)
		throughJSON(t, e)
		throughHTTP(t, e)
	})
}

func throughNATS(t *rapid.T, e *event.Event) {
	header, data := event.Encode(e)
	got, err := event.Decode(&event.Message{Header: overTheWire(t, header), Data: data})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "NATS", got, e)
}

// overTheWire writes headers as NATS does and lets the client library read them.
func overTheWire(t *rapid.T, header map[string][]string) nats.Header {
	var b bytes.Buffer
	b.WriteString("NATS/1.0\r\n")
	for key, values := range header {
		for _, v := range values {
			b.WriteString(key + ": " + v + "\r\n")
		}
	}
	b.WriteString("\r\n")
	read, err := nats.DecodeHeadersMsg(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func throughJSON(t *rapid.T, e *event.Event) {
	document := event.AppendJSON(nil, e)
	got, problems := event.ParseJSON(document)
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, document)
	}
	same(t, "JSON", got, e)

	structured, err := event.Decode(&event.Message{
		Header: map[string][]string{"content-type": {"Application/CloudEvents+JSON; charset=UTF-8"}}, Data: document,
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "structured NATS", structured, e)
}

func TestRoundTripBatch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(genEvent(), 0, 20).Draw(t, "events")
		document := []byte("[")
		for i, e := range want {
			if i > 0 {
				document = append(document, ',')
			}
			document = event.AppendJSON(document, e)
		}
		got, problems := event.ParseBatch(append(document, ']'), 20)
		if len(problems) > 0 || len(got) != len(want) {
			t.Fatalf("%d of %d events, %v", len(got), len(want), problems)
		}
		for i := range want {
			same(t, "batch", got[i], want[i])
		}
	})
}

func throughHTTP(t *rapid.T, e *event.Event) {
	request := []byte("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: " + strconv.Itoa(len(e.Data)) + "\r\n")
	request = append(event.AppendHTTPAttributes(request, e), "\r\n"...)
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(request, e.Data...))))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	mode, events, problems := event.FromHTTP(r.Header, body, event.Limits{})
	if mode != event.ModeBinary || len(problems) > 0 {
		t.Fatalf("%s, %v", mode, problems)
	}
	same(t, "HTTP", events[0], e)
}

func TestDecodeIntoReusesExtensions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var e event.Event
		for _, want := range rapid.SliceOfN(genEvent(), 1, 10).Draw(t, "events") {
			header, data := event.Encode(want)
			if err := event.DecodeInto(&e, &event.Message{Header: header, Data: data}); err != nil {
				t.Fatal(err)
			}
			same(t, "reused", &e, want)
		}
	})
}
