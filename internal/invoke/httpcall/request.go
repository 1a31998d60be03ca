package httpcall

import (
	"strconv"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// requestStart is what every request begins with.
func requestStart(cfg Config) []byte {
	host := cfg.Address
	if cfg.Network == "unix" {
		host = "localhost"
	}
	return []byte("POST / HTTP/1.1\r\nHost: " + host + "\r\n")
}

// appendRequest appends the head of the request for a call, with the empty line that ends it.
func (i *Invoker) appendRequest(b []byte, call *invoke.Call) []byte {
	b = append(b, i.start...)
	if i.cfg.Plain {
		e := call.Event
		brief := event.Event{ID: e.ID, Source: e.Source, Type: e.Type, DataContentType: e.DataContentType}
		b = event.AppendHTTPAttributes(b, &brief)
	} else {
		b = event.AppendHTTPAttributes(b, call.Event)
	}
	b = appendTrace(b, call.Event)
	b = appendMetadata(b, call)
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(call.Event.Data)), 10)
	return append(b, "\r\n\r\n"...)
}

// appendMetadata says only what differs from call to call: each header costs a handler more than it costs us, and the
// function and its time limit are known where the handler was started.
func appendMetadata(b []byte, call *invoke.Call) []byte {
	b = append(b, "Pelton-Attempt: "...)
	b = strconv.AppendInt(b, int64(call.Attempt), 10)
	if call.Redeliveries > 0 {
		b = append(b, "\r\nPelton-Redeliveries: "...)
		b = strconv.AppendInt(b, int64(call.Redeliveries), 10)
	}
	return append(b, "\r\n"...)
}

// appendTrace gives the trace context of the event the names that tracing libraries look for.
func appendTrace(b []byte, e *event.Event) []byte {
	for _, x := range e.Extensions {
		if (x.Name != "traceparent" && x.Name != "tracestate") || !isFieldValue(x.Value) {
			continue
		}
		b = append(b, x.Name...)
		b = append(b, ": "...)
		b = append(b, x.Value...)
		b = append(b, "\r\n"...)
	}
	return b
}

// isFieldValue says whether s may stand in a header as it is.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
