package execcall_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/batchjson"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
	"github.com/pelton-dev/pelton/internal/invoke/invoketest"
)

func TestMain(m *testing.M) {
	invoketest.Main(m, map[string]func() error{"exec": handle})
}

func TestExec(t *testing.T) {
	invoketest.Run(t, invoketest.Protocol{New: newHarness, Concurrent: concurrent})
}

func TestBatch(t *testing.T) {
	invoketest.RunBatch(t, invoketest.Protocol{New: newHarness, Carries: onOneLine})
}

// onOneLine is what a line carries: JSON data without its line breaks.
func onOneLine(e event.Event) event.Event {
	if e.DataContentType == "application/json" {
		e.Data = []byte(strings.NewReplacer("\r", " ", "\n", " ").Replace(string(e.Data)))
	}
	return e
}

// newHarness runs the test binary by a link: the handler is there while the link is.
func newHarness(t testing.TB, c invoketest.Config) invoketest.Harness {
	t.Helper()
	link := filepath.Join(t.TempDir(), "handler")
	inv, err := execcall.New(execcall.Config{
		Command: []string{link}, MaxResponse: c.MaxResponse,
		Env: slices.Concat(os.Environ(), invoketest.HandlerEnv("exec"), c.Env),
	})
	if err != nil {
		t.Fatal(err)
	}
	return invoketest.Harness{Invoker: inv, Start: func(t testing.TB) func() {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(exe, link); err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.Remove(link) }
	}}
}

// handle is the program of the conformance suite.
func handle() error {
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	if n := os.Getenv("PELTON_BATCH"); n != "" {
		return handleBatch(n, data)
	}
	r := &invoketest.Request{
		Event: receivedEvent(data), Function: os.Getenv("PELTON_NAMESPACE") + "/" + os.Getenv("PELTON_FUNCTION"),
	}
	if r.Attempt, err = strconv.Atoi(os.Getenv("PELTON_ATTEMPT")); err != nil {
		return err
	}
	r.Epoch, _ = strconv.ParseUint(os.Getenv("PELTON_EPOCH"), 10, 64) // not set without an order
	if r.Redeliveries, err = strconv.Atoi(os.Getenv("PELTON_REDELIVERIES")); err != nil {
		return err
	}
	if r.Deadline, err = time.Parse(time.RFC3339Nano, os.Getenv("PELTON_DEADLINE")); err != nil {
		return err
	}
	invoketest.Play(r, wire{})
	return nil
}

// handleBatch reads events, one a line, and answers them.
func handleBatch(n string, data []byte) error {
	r := &invoketest.BatchRequest{}
	for line := range bytes.Lines(data) {
		e, problems := event.ParseJSON(bytes.TrimSpace(line))
		if err := event.Refusal(problems); err != nil {
			return err
		}
		one := invoketest.Request{Event: e}
		one.Attempt, one.Redeliveries = batchjson.Attempt(e)
		r.Events = append(r.Events, one)
	}
	if n != strconv.Itoa(len(r.Events)) {
		return fmt.Errorf("PELTON_BATCH is %s, and there are %d events", n, len(r.Events))
	}
	a := invoketest.PlayBatch(r)
	if a.All != nil {
		wire{}.Finish(*a.All)
	}
	_, err := os.Stdout.Write(a.JSON(r, true))
	return err
}

func receivedEvent(data []byte) *event.Event {
	e := &event.Event{Data: data}
	known := map[string]*string{
		"ID": &e.ID, "SOURCE": &e.Source, "TYPE": &e.Type, "SUBJECT": &e.Subject, "TIME": &e.Time,
		"DATACONTENTTYPE": &e.DataContentType, "DATASCHEMA": &e.DataSchema, "SPECVERSION": new(string),
	}
	for _, v := range os.Environ() {
		name, ok := strings.CutPrefix(v, "CE_")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(name, "=")
		if field := known[name]; field != nil {
			*field = value
			continue
		}
		e.Extensions = append(e.Extensions, event.Attribute{Name: strings.ToLower(name), Value: value})
	}
	return e
}

// wire answers with standard output and the exit status.
type wire struct{}

func (wire) Write(p []byte) (int, error) { return os.Stdout.Write(p) }

func (wire) Encode(o invoke.Outcome) []byte {
	if o.Reply == nil {
		return nil
	}
	return event.AppendJSON(nil, o.Reply)
}

func (wire) Garbage() []byte {
	b, err := json.Marshal(map[string]any{"specversion": "1.0", "id": 7})
	if err != nil {
		panic(err)
	}
	return b
}

func (wire) Flood(int) []byte { return nil }

func (wire) Finish(o invoke.Outcome) {
	fmt.Fprint(os.Stderr, o.Reason)
	switch o.Kind {
	case invoke.Retry:
		os.Exit(75)
	case invoke.Reject:
		os.Exit(65)
	}
	os.Exit(0)
}
