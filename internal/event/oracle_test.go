package event_test

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/spec"
	sdk "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/event"
)

// The CloudEvents SDK is the oracle wherever it keeps to the specification: known says where it does not.
func known(e *event.Event) bool {
	switch {
	case e.Subject != "" && strings.TrimSpace(e.Subject) == "":
		return true // the SDK calls a blank subject empty
	case strings.Contains(e.DataContentType, "+json;"):
		return true // the SDK finds +json only without parameters
	}
	for _, uri := range []string{e.Source, e.DataSchema} {
		if u, err := url.Parse(uri); err != nil || u.String() != uri {
			return true // the SDK rewrites it, or looks into authorities, as net/url does
		}
	}
	return false
}

func TestSDKReadsOurJSON(t *testing.T) {
	eachEvent(t, 10, func(t *rapid.T, e *event.Event) {
		if known(e) {
			return
		}
		var got sdk.Event
		if err := json.Unmarshal(event.AppendJSON(nil, e), &got); err != nil {
			t.Fatal(err)
		}
		sameAsSDK(t, e, &got)
	})
}

func TestWeReadJSONOfSDK(t *testing.T) {
	eachEvent(t, 10, func(t *rapid.T, e *event.Event) {
		if known(e) {
			return
		}
		var theirs sdk.Event
		if err := json.Unmarshal(event.AppendJSON(nil, e), &theirs); err != nil {
			t.Fatal(err)
		}
		document, err := json.Marshal(theirs)
		if err != nil {
			t.Fatal(err)
		}
		got, problems := event.ParseJSON(document)
		if len(problems) > 0 {
			t.Fatalf("%v\n%s", problems, document)
		}
		sameAsSDK(t, got, &theirs)
	})
}

func TestWeReadBindingOfSDK(t *testing.T) {
	eachEvent(t, 10, func(t *rapid.T, e *event.Event) {
		if known(e) || !unescaped(e) {
			return // the SDK sends such values without the encoding the binding asks for
		}
		var theirs sdk.Event
		if err := json.Unmarshal(event.AppendJSON(nil, e), &theirs); err != nil {
			t.Fatal(err)
		}
		w := &natsWriter{message: event.Message{Header: map[string][]string{}}}
		if err := binding.ToMessage(&theirs).ReadBinary(context.Background(), w); err != nil {
			t.Fatal(err)
		}
		got, err := event.Decode(&w.message)
		if err != nil {
			t.Fatal(err)
		}
		sameAsSDK(t, got, &theirs)
	})
}

// unescaped reports whether no attribute needs percent-encoding or quoting.
func unescaped(e *event.Event) bool {
	header, _ := event.Encode(e)
	for _, values := range header {
		if strings.Contains(values[0], "%") {
			return false
		}
	}
	return true
}

// natsWriter writes headers as the SDK's own NATS binding does.
type natsWriter struct{ message event.Message }

func (w *natsWriter) Start(context.Context) error { return nil }
func (w *natsWriter) End(context.Context) error   { return nil }

func (w *natsWriter) SetData(data io.Reader) (err error) {
	w.message.Data, err = io.ReadAll(data)
	return err
}

func (w *natsWriter) SetAttribute(a spec.Attribute, value any) error {
	if value == nil {
		return nil
	}
	return w.SetExtension(a.Name(), value)
}

func (w *natsWriter) SetExtension(name string, value any) error {
	s, err := types.Format(value)
	w.message.Header["ce-"+name] = []string{s}
	return err
}

func sameAsSDK(t *rapid.T, ours *event.Event, theirs *sdk.Event) {
	t.Helper()
	if err := theirs.Validate(); err != nil {
		t.Fatalf("the SDK refuses %+v: %v", ours, err)
	}
	for _, c := range []struct{ name, ours, theirs string }{
		{"id", ours.ID, theirs.ID()},
		{"source", ours.Source, theirs.Source()},
		{"dataschema", ours.DataSchema, theirs.DataSchema()},
		{"type", ours.Type, theirs.Type()},
		{"subject", ours.Subject, theirs.Subject()},
		{"datacontenttype", ours.DataContentType, theirs.DataContentType()},
		{"data", string(ours.Data), string(theirs.Data())},
	} {
		if c.ours != c.theirs {
			t.Fatalf("%s: ours %q, the SDK's %q", c.name, c.ours, c.theirs)
		}
	}
	if ours.Time != "" {
		at, err := time.Parse(time.RFC3339Nano, ours.Time)
		if err != nil || !at.Equal(theirs.Time()) {
			t.Fatalf("time: ours %q, the SDK's %v: %v", ours.Time, theirs.Time(), err)
		}
	}
	if len(theirs.Extensions()) != len(ours.Extensions) {
		t.Fatalf("extensions: ours %v, the SDK's %v", ours.Extensions, theirs.Extensions())
	}
	for _, x := range ours.Extensions {
		if theirs.Extensions()[x.Name] != x.Value {
			t.Fatalf("extension %s: ours %q, the SDK's %v", x.Name, x.Value, theirs.Extensions()[x.Name])
		}
	}
}
