package bridge

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/pelton-dev/pelton/internal/access"
	"github.com/pelton-dev/pelton/internal/event"
)

// requestType is the type of the events that HTTP triggers make of plain requests.
const requestType = "dev.pelton.http.request"

// The extension attributes that keep what such a request was.
const (
	extensionMethod = "httpmethod"
	extensionQuery  = "httpquery"
)

const maxIdempotencyKey = 255

// rawEvent makes an event of a request that knows nothing of CloudEvents. Its source contains the path: the same
// Idempotency-Key on two paths means two events, as it does of two callers or with two methods.
func rawEvent(r *http.Request, t target, body []byte) (*event.Event, *problem) {
	id, p := rawID(r, t)
	if p != nil {
		return nil, p
	}
	e := &event.Event{
		ID: id, Time: time.Now().UTC().Format(time.RFC3339Nano),
		DataContentType: rawContentType(r.Header.Get("Content-Type"), body, t.plain),
	}
	if len(body) > 0 {
		e.Data = body
	}
	if t.work {
		e.Source, e.Type = t.path, requestType
		e.Extensions = append(e.Extensions, event.Attribute{Name: extensionMethod, Value: r.Method})
		if r.URL.RawQuery != "" {
			e.Extensions = append(e.Extensions, event.Attribute{Name: extensionQuery, Value: r.URL.RawQuery})
		}
	} else {
		e.Source, e.Type, e.Subject = eventsPath+"/"+strings.TrimPrefix(t.subject, subjectPrefix), t.subject, t.subject
	}
	e.Extensions = append(e.Extensions, traceContext(r.Header)...)
	if faults := e.Validate(); len(faults) > 0 {
		return nil, refuseEvent(faults)
	}
	return e, nil
}

// rawID is the caller's Idempotency-Key, which makes a retry the same event, or a new id. A CloudEvent has an id already:
// there the header means nothing. Nor does it where the caller waits: he needs an answer of his own, and his key is for the handler.
func rawID(r *http.Request, t target) (string, *problem) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 || t.sync {
		return uuid.Must(uuid.NewV7()).String(), nil
	}
	if key := keys[0]; len(keys) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, notVisible) {
		return "", kindIdempotencyKey.refuse("Send one Idempotency-Key of 1 to %d visible ASCII characters.", maxIdempotencyKey)
	}
	return keys[0], nil
}

// keyed adds to the scope of the message id who sends an Idempotency-Key, and how: the same key of somebody else is another's event,
// and may not keep it from being stored.
func (t target) keyed(r *http.Request) target {
	if len(r.Header.Values("Idempotency-Key")) > 0 {
		c, _ := r.Context().Value(callerKey{}).(access.Caller)
		t.scope = append(slices.Clone(t.scope), c.Name, r.Method)
	}
	return t
}

// rawContentType believes the caller, except where curl speaks for a caller who did not say anything: it calls every -d a
// form.
//
// What a web application is sent as a CloudEvent is data here: its own header tells the application what it is.
func rawContentType(declared string, body []byte, plain bool) string {
	if plain && isEventFormat(declared) {
		return "application/octet-stream"
	}
	if declared == "" {
		return event.GuessContentType(body)
	}
	if media, _, err := mime.ParseMediaType(declared); err == nil && media == "application/x-www-form-urlencoded" &&
		len(body) > 0 && json.Valid(body) {
		return "application/json"
	}
	return declared
}

// isEventFormat reports whether a content type says that the body is events in a format of their own.
func isEventFormat(contentType string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "application/cloudevents")
}

// traceContext takes the caller's trace context over, so that the handler's work belongs to it.
func traceContext(h http.Header) []event.Attribute {
	parent := h.Get("Traceparent")
	if len(parent) != len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") ||
		strings.ContainsFunc(parent, notVisible) {
		return nil
	}
	out := []event.Attribute{{Name: "traceparent", Value: parent}}
	const maxState = 512
	if state := h.Get("Tracestate"); state != "" && len(state) <= maxState && !strings.ContainsFunc(state, notPrintable) {
		out = append(out, event.Attribute{Name: "tracestate", Value: state})
	}
	return out
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }
