package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/pelton-dev/pelton/internal/event"
)

// activation gives one evaluation its variables. Both are made when first asked for. It is used by one goroutine.
type activation struct {
	event      *event.Event
	attributes map[string]string // filled when made is set; its memory is used again
	made       bool
	data       any
}

// begin readies a for an event.
func (a *activation) begin(e *event.Event) { a.event, a.made, a.data = e, false, nil }

var _ cel.Activation = (*activation)(nil)

// Parent implements cel.Activation: there is no outer scope.
func (a *activation) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation. Data that cannot be decoded is a CEL error value: it fails the evaluation only if
// the result depends on it.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case varEvent:
		if !a.made {
			a.readAttributes()
		}
		return a.attributes, true
	case varData:
		if a.data == nil {
			a.data = decode(a.event.Data)
		}
		return a.data, true
	}
	return nil, false
}

func (a *activation) readAttributes() {
	if a.attributes == nil {
		a.attributes = make(map[string]string, 8) // enough for most events, and the largest size that costs one allocation
	}
	clear(a.attributes)
	a.made = true
	e, m := a.event, a.attributes
	m["specversion"], m["id"], m["source"], m["type"] = event.SpecVersion, e.ID, e.Source, e.Type
	for _, o := range [...]event.Attribute{
		{Name: "subject", Value: e.Subject},
		{Name: "time", Value: e.Time},
		{Name: "datacontenttype", Value: e.DataContentType},
		{Name: "dataschema", Value: e.DataSchema},
	} {
		if o.Value != "" {
			m[o.Name] = o.Value
		}
	}
	for _, x := range e.Extensions {
		m[x.Name] = x.Value
	}
}

// decode never returns nil: JSON null is CEL's null.
func decode(data []byte) any {
	if len(data) == 0 {
		return types.NewErr("the event has no data")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return types.NewErr("the data is not JSON: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return types.NewErr("the data is not JSON: more follows the first value")
	}
	if v = numbers(v); v == nil {
		return types.NullValue
	}
	return v
}

// numbers turns JSON numbers into CEL's: integers stay exact, so that data.id == 9007199254740993 is true only for that id.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			v[key] = numbers(member)
		}
	case []any:
		for i, element := range v {
			v[i] = numbers(element)
		}
	case json.Number:
		return number(string(v))
	}
	return v
}

// number falls back to a double, which is infinite for 1e400.
func number(s string) any {
	if strings.ContainsAny(s, ".eE") {
		f, _ := strconv.ParseFloat(s, 64)
		return f
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return u
	}
	f, _ := strconv.ParseFloat(s, 64)
	return f
}
