package functions

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	peltonevent "github.com/pelton-dev/pelton/internal/event"
)

// toSDK makes the SDK's event. Fields are set directly: the SDK's setters trim and check values that are checked already.
func toSDK(e *peltonevent.Event) event.Event {
	c := &event.EventContextV1{ID: e.ID, Source: types.URIRef{URL: exactURL(e.Source)}, Type: e.Type}
	if e.Subject != "" {
		c.Subject = &e.Subject
	}
	if e.DataContentType != "" {
		c.DataContentType = &e.DataContentType
	}
	if e.DataSchema != "" {
		c.DataSchema = &types.URI{URL: exactURL(e.DataSchema)}
	}
	if t, err := time.Parse(time.RFC3339Nano, e.Time); err == nil {
		c.Time = &types.Timestamp{Time: t}
	}
	if len(e.Extensions) > 0 {
		c.Extensions = make(map[string]any, len(e.Extensions))
		for _, a := range e.Extensions {
			c.Extensions[a.Name] = a.Value
		}
	}
	return event.Event{Context: c, DataEncoded: e.Data, DataBase64: !utf8.Valid(e.Data)}
}

// exactURL parses s into a URL whose text is s again. What net/url refuses or would rewrite is held as it is.
func exactURL(s string) url.URL {
	if plainPath(s) {
		return url.URL{Path: s}
	}
	if u, err := url.Parse(s); err == nil && u.String() == s {
		return *u
	}
	return url.URL{Opaque: s}
}

// plainPath reports whether s is an absolute path of characters that a URL never escapes, as most sources are: parsing it
// would find nothing else.
func plainPath(s string) bool {
	if len(s) < 2 || s[0] != '/' || s[1] == '/' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// fromSDK makes our event of the one a Func returned as its answer to cause. A missing id and source are filled in, so that
// another attempt at the same cause makes the same reply.
func fromSDK(e *event.Event, cause *peltonevent.Event, d *Delivery) (*peltonevent.Event, error) {
	if e.Context == nil {
		return nil, errors.New("it was not made with event.New")
	}
	if len(e.FieldErrors) > 0 {
		return nil, event.ValidationError(e.FieldErrors)
	}
	extensions, err := extensionsOf(e)
	if err != nil {
		return nil, err
	}
	reply := &peltonevent.Event{
		ID: e.ID(), Source: e.Source(), Type: e.Type(), Subject: e.Subject(), Time: timeOf(e),
		DataContentType: e.DataContentType(), DataSchema: e.DataSchema(), Extensions: extensions, Data: e.Data(),
	}
	if reply.ID == "" {
		reply.ID = peltonevent.MessageID(cause.Source, cause.ID)
	}
	if reply.Source == "" {
		reply.Source = "/functions/" + d.Namespace + "/" + d.Function
	}
	return reply, peltonevent.Refusal(reply.Validate())
}

func timeOf(e *event.Event) string {
	if t := e.Time(); !t.IsZero() {
		return t.Format(time.RFC3339Nano)
	}
	return ""
}

// extensionsOf returns the extensions in the order of their names: the SDK keeps none.
func extensionsOf(e *event.Event) ([]peltonevent.Attribute, error) {
	var out []peltonevent.Attribute
	for name, v := range e.Extensions() {
		text, err := types.Format(v)
		if err != nil {
			return nil, fmt.Errorf("extension %q: %w", name, err)
		}
		out = append(out, peltonevent.Attribute{Name: name, Value: text})
	}
	slices.SortFunc(out, func(a, b peltonevent.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
