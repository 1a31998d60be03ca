package event

import (
	"fmt"
	"strings"
)

// headerPrefix begins the name of every header that carries an attribute, in lower case.
const headerPrefix = "ce-"

const headerContentType = "content-type"

// Decode reads a stored message as the CloudEvents NATS binding says.
//
// A Content-Type of application/cloudevents+json makes it structured; any header that begins with ce-, in any case, makes it
// binary; a message with neither is raw and becomes an event: its id is STREAM-SEQUENCE, its source nats://STREAM, its type
// and subject the NATS subject, its time the server's. Header values may hold unencoded UTF-8, because the Go SDK of
// CloudEvents sends it so; what Encode writes is always encoded.
//
// The event shares memory with the message. The error is a *DecodeError.
func Decode(m *Message) (*Event, error) {
	e := new(Event)
	if err := DecodeInto(e, m); err != nil {
		return nil, err
	}
	return e, nil
}

// DecodeInto is Decode into an event that is used again: only its slice of extensions is kept. After an error e holds
// nothing of use.
func DecodeInto(e *Event, m *Message) error {
	*e = Event{Extensions: e.Extensions[:0]}
	b := builder{e: e, place: placeHeader}
	contentType, types, binary := "", 0, false
	for name, values := range m.Header {
		switch {
		case isAttributeHeader(name):
			binary = true
			b.header(name[len(headerPrefix):], values)
		case isContentType(name):
			contentType, types = strings.Trim(first(values), " \t"), types+len(values)
		}
	}
	if types > 1 {
		return &DecodeError{headerContentType, "content-type is given more than once: want one header"}
	}
	switch {
	case isCloudEventsType(contentType):
		return decodeStructured(e, m.Data, contentType)
	case binary:
		return b.decodeBinary(m.Data, contentType)
	default:
		return decodeRaw(e, m, contentType)
	}
}

func isAttributeHeader(name string) bool {
	return len(name) >= 3 && name[0]|0x20 == 'c' && name[1]|0x20 == 'e' && name[2] == '-'
}

func isContentType(name string) bool {
	return len(name) == len(headerContentType) && strings.EqualFold(name, headerContentType)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// header stores the attribute a ce- header carries.
func (b *builder) header(name string, values []string) {
	if len(values) == 0 {
		return
	}
	name = lowerASCII(name)
	if len(values) > 1 {
		b.mark(attributeOf(name))
		b.duplicate(name)
		return
	}
	value, fault := decodeValue(values[0])
	if fault != "" {
		b.mark(attributeOf(name))
		b.problem(name, CodeInvalidEncoding, fmt.Sprintf("%s %s %s", show(name), quote(values[0]), fault))
		return
	}
	b.set(name, value)
}

func (b *builder) decodeBinary(data []byte, contentType string) error {
	b.e.Data = noneIfEmpty(data)
	if b.seen&(1<<attrDataContentType) == 0 && contentType != "" {
		b.setContentType(contentType)
	}
	if !b.finish() {
		sortProblems(b.problems)
		return decodeError(b.problems)
	}
	return nil
}

// decodeStructured reads the JSON format, the only one the NATS binding requires. The bare type is JSON there too.
func decodeStructured(e *Event, data []byte, contentType string) error {
	m := mediaType(contentType)
	json := strings.EqualFold(m, cloudEventsType+"+json") || strings.EqualFold(m, cloudEventsType)
	if !json || !utf8Charset(contentType) {
		return &DecodeError{headerContentType, fmt.Sprintf(
			"content-type %s is not supported: want application/cloudevents+json, or binary mode", quote(contentType))}
	}
	parsed, problems := ParseJSON(data)
	if len(problems) > 0 {
		return decodeError(problems)
	}
	*e = *parsed
	return nil
}

func noneIfEmpty(data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	return data
}

// Encode writes e in binary mode: ce- headers, percent-encoded, and the data as it is. e must be valid (Validate): a
// name that is not an attribute name is left out rather than written into a header. The same event always gives the same
// headers.
func Encode(e *Event) (header map[string][]string, data []byte) {
	header = make(map[string][]string, 8+len(e.Extensions))
	values := make([]string, 0, 8+len(e.Extensions))
	put := func(key, value string) {
		values = append(values, encodeValue(value))
		header[key] = values[len(values)-1 : len(values) : len(values)]
	}
	put("ce-specversion", SpecVersion)
	put("ce-id", e.ID)
	put("ce-source", e.Source)
	put("ce-type", e.Type)
	for _, o := range [...]struct{ key, value string }{
		{"ce-subject", e.Subject},
		{"ce-time", e.Time},
		{"ce-datacontenttype", e.DataContentType},
		{"ce-dataschema", e.DataSchema},
	} {
		if o.value != "" {
			put(o.key, o.value)
		}
	}
	for _, x := range e.Extensions {
		if isExtensionName(x.Name) {
			put(headerPrefix+x.Name, x.Value)
		}
	}
	return header, e.Data
}

func isExtensionName(name string) bool { return validName(name) && attributeOf(name) == attrExtension }
