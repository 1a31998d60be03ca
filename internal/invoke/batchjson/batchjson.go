// Package batchjson owns the text of batches: how many events are written for a handler as JSON, and how its answer is read.
//
// It knows no transport: httpcall sends an array, execcall lines. An answer is read strictly, because what is not understood
// would otherwise count as done. It only computes; there is nothing to stop.
package batchjson

import (
	"strconv"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// The extensions that tell a handler which attempt an event is. Where an event has extensions of these names itself, ours
// are in their place.
const (
	extAttempt      = "peltonattempt"
	extRedeliveries = "peltonredeliveries" // only if it is not 0
)

// AppendArray appends the events in the JSON batch format.
func AppendArray(b []byte, items []invoke.Item) []byte {
	b = append(b, '[')
	for i := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendItem(b, &items[i])
	}
	return append(b, ']')
}

// AppendLines appends the events in the JSON event format, each on a line of its own.
func AppendLines(b []byte, items []invoke.Item) []byte {
	for i := range items {
		start := len(b)
		b = appendItem(b, &items[i])
		unbreak(b[start:])
		b = append(b, '\n')
	}
	return b
}

// unbreak makes one line of a JSON text. Line breaks in it are white space of JSON data: strings have none.
func unbreak(text []byte) {
	for i, c := range text {
		if c == '\n' || c == '\r' {
			text[i] = ' '
		}
	}
}

func appendItem(b []byte, item *invoke.Item) []byte {
	e := *item.Event
	e.Extensions = make([]event.Attribute, 0, len(item.Event.Extensions)+2)
	for _, x := range item.Event.Extensions {
		if x.Name != extAttempt && x.Name != extRedeliveries {
			e.Extensions = append(e.Extensions, x)
		}
	}
	e.Extensions = append(e.Extensions, event.Attribute{Name: extAttempt, Value: strconv.Itoa(item.Attempt)})
	if item.Redeliveries > 0 {
		e.Extensions = append(e.Extensions, event.Attribute{Name: extRedeliveries, Value: strconv.Itoa(item.Redeliveries)})
	}
	return event.AppendJSON(b, &e)
}

// Attempt takes what AppendArray and AppendLines added out of an event again and returns it.
func Attempt(e *event.Event) (attempt, redeliveries int) {
	kept := e.Extensions[:0]
	for _, x := range e.Extensions {
		switch x.Name {
		case extAttempt:
			attempt, _ = strconv.Atoi(x.Value)
		case extRedeliveries:
			redeliveries, _ = strconv.Atoi(x.Value)
		default:
			kept = append(kept, x)
		}
	}
	e.Extensions = kept
	return max(1, attempt), max(0, redeliveries)
}
