package webhook

import (
	"encoding/json"
	"errors"
	"mime"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
)

// newEvent makes the event of a delivery. Its data is the body, to the last byte.
func newEvent(r Request, id, kind string) *event.Event {
	e := &event.Event{
		ID: id, Source: r.Path, Type: kind, Time: r.Now.UTC().Format(time.RFC3339Nano), DataContentType: "application/json",
	}
	if len(r.Body) > 0 {
		e.Data = r.Body
	}
	return e
}

// readJSON reads the parts of a signed body that make the event's attributes. A field of another kind than expected is left empty:
// what the event cannot do without is checked afterwards. hint says what to set at the provider's.
func readJSON(r Request, into any, hint string) error {
	declared := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(declared); err != nil || media != "application/json" {
		return refuse(Unsupported, "the Content-Type is not application/json: want it: %s", hint)
	}
	if _, broken := errors.AsType[*json.SyntaxError](json.Unmarshal(r.Body, into)); broken {
		return refuse(Malformed, "the body is signed, and is not JSON: want one JSON object")
	}
	return nil
}

const maxName = 255

// plainName reports whether a text of a payload can be part of an event's type as it is.
func plainName(s string) bool {
	odd := func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("._-:/", r)
	}
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, odd)
}

// subjectOf is a text of a payload, if it can be the subject of an event.
func subjectOf(s string) string {
	if len(s) > maxID || strings.ContainsFunc(s, notVisible) {
		return ""
	}
	return s
}

// unix writes a time in seconds that a payload has, if it is one of this age.
func unix(seconds int64, otherwise string) string {
	if seconds <= 0 || seconds >= 1e11 {
		return otherwise
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}
