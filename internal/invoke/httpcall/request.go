package httpcall

import (
	"strconv"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// request is what is posted: one call, or the body of a batch.
type request struct {
	call     *invoke.Call // nil: a batch
	body     []byte
	deadline time.Time
	max      int  // bytes of the answer's body
	isHead   bool // the answer will have no body
}

// length is how many bytes the body has.
func (r request) length() int64 {
	if large := r.large(); large != nil {
		return large.Size()
	}
	return int64(len(r.body))
}

// large is the body that is read as it is sent, nil if body is all.
func (r request) large() invoke.Body {
	if r.call == nil {
		return nil
	}
	return r.call.Body
}

func (r request) wants() wants {
	if r.call != nil && r.call.Answer != nil {
		return wants{to: r.call.Answer, head: r.isHead}
	}
	w := wants{max: r.max, text: r.call == nil}
	if r.call != nil && r.call.Kept != nil {
		w.kept, w.head = r.call.Kept, r.isHead
	}
	return w
}

// requestStart is what every request begins with.
func requestStart(cfg Config) []byte {
	host := cfg.Address
	if cfg.Network == "unix" {
		host = "localhost"
	}
	return []byte("POST / HTTP/1.1\r\nHost: " + host + "\r\n")
}

// appendRequest appends the head of the request, with the empty line that ends it.
func (i *Invoker) appendRequest(b []byte, r request) []byte {
	if r.call != nil && r.call.Request != nil && i.cfg.Plain {
		return i.appendOriginal(b, r)
	}
	b = append(b, i.start...)
	if r.call == nil {
		b = append(b, "Content-Type: "+batchType+"\r\n"...)
	} else {
		b = i.appendCall(b, r.call)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, r.length(), 10)
	return append(b, "\r\n\r\n"...)
}

// appendCall appends the fields that say what the one event of a request is.
func (i *Invoker) appendCall(b []byte, call *invoke.Call) []byte {
	if i.cfg.Plain {
		e := call.Event
		brief := event.Event{ID: e.ID, Source: e.Source, Type: e.Type, DataContentType: e.DataContentType}
		b = event.AppendHTTPAttributes(b, &brief)
	} else {
		b = event.AppendHTTPAttributes(b, call.Event)
	}
	return appendMetadata(appendTrace(b, call.Event), call)
}

// appendMetadata says only what is not as nearly always: each header costs a handler more than it costs us. The function and its
// time limit are known where the handler was started.
func appendMetadata(b []byte, call *invoke.Call) []byte {
	if call.Attempt > 1 {
		b = append(b, "Pelton-Attempt: "...)
		b = append(strconv.AppendInt(b, int64(call.Attempt), 10), "\r\n"...)
	}
	if call.Epoch > 0 {
		b = append(b, "Pelton-Epoch: "...)
		b = append(strconv.AppendUint(b, call.Epoch, 10), "\r\n"...)
	}
	if call.Redeliveries > 0 {
		b = append(b, "Pelton-Redeliveries: "...)
		b = append(strconv.AppendInt(b, int64(call.Redeliveries), 10), "\r\n"...)
	}
	return b
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
