// Package event owns the event model and its codecs: CloudEvents 1.0 attributes and bytes, as they travel on NATS and over
// HTTP, and the grammar of the subjects Pelton makes.
//
// It knows no connection and no stream: callers hand it headers and bytes. It only computes; there is nothing to stop.
package event

import (
	"iter"
	"time"
)

// SpecVersion is the only CloudEvents version Pelton speaks.
const SpecVersion = "1.0"

// Event is a CloudEvents 1.0 event. Attribute values are held exactly as they were sent, decoded from their transport's
// escaping but never rewritten, so that what goes in comes out. The SDK's own type normalises some values (it truncates
// numbers and rewrites URIs), which is why it is used only at the edges.
type Event struct {
	ID              string
	Source          string
	Type            string
	Subject         string // optional
	Time            string // optional, RFC 3339 as it was written
	DataContentType string // optional
	DataSchema      string // optional
	Extensions      []Attribute
	Data            []byte
}

// Attribute is one extension attribute: a lower-case name and its canonical string value.
type Attribute struct{ Name, Value string }

// Extension returns the value of an extension attribute and whether it is set.
func (e *Event) Extension(name string) (string, bool) {
	for i := range e.Extensions {
		if e.Extensions[i].Name == name {
			return e.Extensions[i].Value, true
		}
	}
	return "", false
}

// All iterates over the names and values of the attributes that are set: the defined ones, then the extensions.
func (e *Event) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, a := range [...]Attribute{
			{nameSpecVersion, SpecVersion},
			{nameID, e.ID},
			{nameSource, e.Source},
			{nameType, e.Type},
			{nameSubject, e.Subject},
			{nameTime, e.Time},
			{nameDataContentType, e.DataContentType},
			{nameDataSchema, e.DataSchema},
		} {
			if a.Value != "" && !yield(a.Name, a.Value) {
				return
			}
		}
		for i := range e.Extensions {
			if !yield(e.Extensions[i].Name, e.Extensions[i].Value) {
				return
			}
		}
	}
}

// Message is a stored NATS message as the codec needs it. Header is nats.Header without the import.
type Message struct {
	Subject  string
	Header   map[string][]string
	Data     []byte
	Stream   string
	Sequence uint64
	Time     time.Time // when the server stored it
}
