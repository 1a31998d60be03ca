package event

import (
	"fmt"
	"net/http"
	"strings"
)

// Mode is how an HTTP message carries events.
type Mode uint8

// The content modes of the HTTP binding. ModeNone is a message that is no CloudEvent: no ce- header and no media type of
// an event format.
const (
	ModeNone Mode = iota
	ModeBinary
	ModeStructured
	ModeBatch
)

// String names the mode.
func (m Mode) String() string {
	return [...]string{"none", "binary", "structured", "batch"}[m]
}

// Limits bounds what FromHTTP accepts beyond the limits of single events. The size of the body is the caller's.
type Limits struct {
	Batch int // events in one batch; 0 is DefaultBatch
}

// FromHTTP reads the events of a request or response. With a problem there are no events. ModeNone comes with neither.
//
// The Content-Type decides: in structured and batch mode ce- headers are ignored, whatever they say. In binary mode the
// Content-Type is the datacontenttype, and a header with bytes outside ASCII is refused.
func FromHTTP(h http.Header, body []byte, limits Limits) (Mode, []*Event, []Problem) {
	b := builder{place: placeHeader}
	contentType, ok := b.contentTypeOf(h)
	switch {
	case !ok:
		return ModeNone, nil, b.problems
	case isCloudEventsType(contentType):
		return fromEventFormat(contentType, body, limits)
	case !hasAttributeHeader(h):
		return ModeNone, nil, nil
	}
	b.e = new(Event)
	b.binaryHeaders(h, contentType)
	b.e.Data = noneIfEmpty(body)
	if !b.finish() {
		sortProblems(b.problems)
		return ModeBinary, nil, b.problems
	}
	return ModeBinary, []*Event{b.e}, nil
}

// contentTypeOf returns the one Content-Type there may be.
func (b *builder) contentTypeOf(h http.Header) (string, bool) {
	value, n := "", 0
	for name, values := range h {
		if isContentType(name) {
			value, n = first(values), n+len(values)
		}
	}
	if n > 1 {
		b.problems = append(b.problems, Problem{
			Attribute: nameDataContentType, Header: headerContentType,
			Code: CodeDuplicateHeader, Detail: "content-type is given more than once: want one header",
		})
	}
	return strings.Trim(value, " \t"), n <= 1
}

func hasAttributeHeader(h http.Header) bool {
	for name := range h {
		if isAttributeHeader(name) {
			return true
		}
	}
	return false
}

func (b *builder) binaryHeaders(h http.Header, contentType string) {
	for name, values := range h {
		switch {
		case !isAttributeHeader(name):
		case attributeOf(name[len(headerPrefix):]) == attrDataContentType:
			b.problem(nameDataContentType, CodeForbiddenHeader,
				"ce-datacontenttype is not allowed over HTTP: say it in the Content-Type header")
		case len(values) > 0 && !ascii(values[0]):
			attr := lowerASCII(name[len(headerPrefix):])
			b.mark(attributeOf(attr))
			b.problem(attr, CodeInvalidEncoding, fmt.Sprintf(
				"%s %s has bytes outside ASCII: want them percent-encoded, as in %%C3%%A9", show(attr), quote(values[0])))
		default:
			b.header(name[len(headerPrefix):], values)
		}
	}
	if contentType != "" {
		b.setContentType(contentType)
	}
}

// setContentType takes the datacontenttype from the Content-Type header.
func (b *builder) setContentType(value string) {
	n := len(b.problems)
	b.set(nameDataContentType, value)
	if len(b.problems) > n {
		b.problems[n].Header = headerContentType
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func fromEventFormat(contentType string, body []byte, limits Limits) (Mode, []*Event, []Problem) {
	m := mediaType(contentType)
	switch {
	case !utf8Charset(contentType):
	case strings.EqualFold(m, cloudEventsType+"+json"):
		e, problems := ParseJSON(body)
		if len(problems) > 0 {
			return ModeStructured, nil, problems
		}
		return ModeStructured, []*Event{e}, nil
	case strings.EqualFold(m, cloudEventsType+"-batch+json"):
		events, problems := ParseBatch(body, limits.Batch)
		return ModeBatch, events, problems
	}
	return ModeStructured, nil, []Problem{{Header: headerContentType, Code: CodeUnsupportedMediaType, Detail: fmt.Sprintf(
		"content-type %s is not supported: want application/cloudevents+json or application/cloudevents-batch+json in UTF-8, "+
			"or ce- headers", quote(contentType))}}
}

// ReplyFromHTTP reads the event that a handler's answer carries in binary or structured mode. It returns nil and no error
// when the answer is no CloudEvent; an answer that claims to be one and is broken, or is a batch, is an error.
func ReplyFromHTTP(h http.Header, body []byte) (*Event, error) {
	mode, events, problems := FromHTTP(h, body, Limits{})
	switch {
	case len(problems) > 0:
		return nil, decodeError(problems)
	case mode == ModeBatch:
		return nil, &DecodeError{headerContentType, "answer is a batch of events: want at most one event"}
	case mode == ModeNone:
		return nil, nil
	}
	return events[0], nil
}

// AppendHTTPAttributes appends e's header lines in binary mode, each with its CRLF, and returns the extended slice. It
// allocates only to grow dst. e must be valid (Validate); a name or a Content-Type that could break out of its line is left
// out.
func AppendHTTPAttributes(dst []byte, e *Event) []byte {
	dst = append(dst, "ce-specversion: "+SpecVersion+"\r\n"...)
	dst = appendHeader(dst, "ce-id: ", e.ID)
	dst = appendHeader(dst, "ce-source: ", e.Source)
	dst = appendHeader(dst, "ce-type: ", e.Type)
	if e.Subject != "" {
		dst = appendHeader(dst, "ce-subject: ", e.Subject)
	}
	if e.Time != "" {
		dst = appendHeader(dst, "ce-time: ", e.Time)
	}
	if e.DataSchema != "" {
		dst = appendHeader(dst, "ce-dataschema: ", e.DataSchema)
	}
	for i := range e.Extensions {
		x := &e.Extensions[i]
		if !isExtensionName(x.Name) {
			continue
		}
		dst = append(dst, headerPrefix...)
		dst = append(dst, x.Name...)
		dst = appendHeader(dst, ": ", x.Value)
	}
	if e.DataContentType != "" && printableASCII(e.DataContentType) {
		dst = append(dst, "content-type: "...)
		dst = append(dst, e.DataContentType...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

func appendHeader(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = appendEncoded(dst, value)
	return append(dst, "\r\n"...)
}
