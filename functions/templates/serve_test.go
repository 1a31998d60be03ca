package templates_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pelton-dev/pelton/functions/templates"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
	"github.com/pelton-dev/pelton/internal/process"
	"github.com/pelton-dev/pelton/internal/testenv"
)

// server is a template's HTTP plumbing around a handler that does what the event's type says.
type server struct {
	lang, program, file, handler string
}

var servers = []server{
	{"python", "python3", "handler.py", `
from serve import Reject, Retry, serve

def handle(event):
    if event.type == "retry":
        raise Retry("later, ørken", after=1.2)
    if event.type == "retry-when-you-like":
        raise Retry("later")
    if event.type == "reject":
        raise Reject("never, ørken")
    if event.type == "raise":
        raise RuntimeError("a bug")
    if event.type == "json":
        event.json()
    if event.type == "echo":
        return {"type": "echoed", "data": {"attributes": event.attributes, "attempt": event.attempt, "data": event.data.decode()}}

serve(handle)
`},
	{"node", "node", "handler.js", `
const { Reject, Retry, serve } = require('./serve.js');

serve(async (event) => {
  const { data, attempt, deadline, ...attributes } = event;
  switch (event.type) {
    case 'retry': throw new Retry('later, ørken', { after: 1.2 });
    case 'retry-when-you-like': throw new Retry('later');
    case 'reject': throw new Reject('never, ørken');
    case 'raise': throw new RangeError('a bug');
    case 'json': event.json(); return;
    case 'echo': return { type: 'echoed', data: { attributes, attempt, data: data.toString() } };
  }
});
`},
}

func TestServers(t *testing.T) {
	t.Parallel()
	for _, s := range servers {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(s.lang+"/"+network, func(t *testing.T) {
				t.Parallel()
				testenv.Need(t, s.program)
				inv, handler := s.start(t, network)
				t.Run("outcomes", func(t *testing.T) { testOutcomes(t, inv) })
				t.Run("echo", func(t *testing.T) { testEcho(t, inv) })
				t.Run("at once", func(t *testing.T) { testAtOnce(t, inv) })
				t.Run("batch", func(t *testing.T) { testBatch(t, inv) })
				if exit := handler.Stop(time.Minute); exit.Code != 0 || exit.Signal != "" {
					t.Errorf("SIGTERM: %v, want exit status 0", exit)
				}
			})
		}
	}
}

// testBatch gives what the plumbing does not take, by a manifest that does not fit it: no event may be rejected for that.
func testBatch(t *testing.T, inv *httpcall.Invoker) {
	e := &event.Event{ID: "1", Source: "/s", Type: "json"}
	_, err := inv.InvokeBatch(t.Context(), &invoke.Batch{Items: []invoke.Item{{Event: e, Attempt: 1}}})
	var failed *invoke.Error
	if !errors.As(err, &failed) || failed.Code != invoke.CodeBadResponse || !strings.Contains(err.Error(), "leave batch out") {
		t.Errorf("got %v, want an answer that is none", err)
	}
}

// start runs the server in a process of its own and waits until it takes calls.
func (s server) start(t *testing.T, network string) (*httpcall.Invoker, *process.Process) {
	t.Helper()
	dir := write(t, t.TempDir(), render(t, templates.Options{Lang: s.lang, Name: name}))
	if err := os.WriteFile(filepath.Join(dir, s.file), []byte(s.handler), 0o644); err != nil {
		t.Fatal(err)
	}
	address, env := listenOn(t, network)
	stderr := process.NewTail(50, 500)
	p, err := process.Start(process.Config{
		Command: []string{s.program, s.file}, Dir: dir, Stderr: stderr,
		Env: append(os.Environ(), env, "PELTON_FUNCTION=echo", "PELTON_NAMESPACE=test"),
	})
	if err != nil {
		t.Fatal(err)
	}
	inv, err := httpcall.New(httpcall.Config{Network: network, Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = inv.Close(), p.Stop(0) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := inv.WaitReady(ctx); err != nil {
		t.Fatalf("%v; stderr:\n%s", err, strings.Join(stderr.Lines(), "\n"))
	}
	return inv, p
}

func listenOn(t *testing.T, network string) (address, env string) {
	t.Helper()
	if network == "unix" {
		dir, err := os.MkdirTemp("", "pelton") // a socket's path must be short
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		address = filepath.Join(dir, "s")
		return address, "PELTON_SOCKET=" + address
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), "PORT=" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func testOutcomes(t *testing.T, inv invoke.Invoker) {
	for _, c := range []struct {
		kind string
		want invoke.Outcome
	}{
		{"nothing", invoke.Outcome{Kind: invoke.Done}},
		{"retry", invoke.Outcome{Kind: invoke.Retry, After: 2 * time.Second, Reason: "later, ørken"}},
		{"retry-when-you-like", invoke.Outcome{Kind: invoke.Retry, Reason: "later"}},
		{"reject", invoke.Outcome{Kind: invoke.Reject, Reason: "never, ørken"}},
		{"raise", invoke.Outcome{Kind: invoke.Retry, Reason: "Error: a bug"}},
		{"json", invoke.Outcome{Kind: invoke.Reject, Reason: "data is not JSON"}},
	} {
		got, err := inv.Invoke(t.Context(), call(&event.Event{ID: "1", Source: "/test", Type: c.kind, Data: []byte("{")}))
		if err != nil {
			t.Errorf("%s: %v", c.kind, err)
			continue
		}
		if got.Kind != c.want.Kind || got.After != c.want.After || !strings.Contains(got.Reason, c.want.Reason) ||
			got.Reply != nil {
			t.Errorf("%s: outcome = %+v, want %+v", c.kind, got, c.want)
		}
	}
}

func testEcho(t *testing.T, inv invoke.Invoker) {
	e := &event.Event{
		ID: "a b", Source: "/ørken%20x", Type: "echo", Subject: `50 % "of" ☂`, DataContentType: "text/plain; charset=utf-8",
		Extensions: []event.Attribute{{Name: "tenant", Value: "blå"}}, Data: []byte("æøå\n"),
	}
	first, second := echo(t, inv, e), echo(t, inv, e)
	if first.Source != "/functions/test/echo" || first.Type != "echoed" || first.ID == "" || first.ID != second.ID {
		t.Errorf("reply = %+v, and again %+v: want the function as source, and the same id both times", first, second)
	}
	var got struct {
		Attributes map[string]string
		Attempt    int
		Data       string
	}
	if err := json.Unmarshal(first.Data, &got); err != nil {
		t.Fatalf("reply data %q: %v", first.Data, err)
	}
	for name, want := range map[string]string{
		"id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Subject, "specversion": "1.0",
		"datacontenttype": e.DataContentType, "tenant": "blå",
	} {
		if got.Attributes[name] != want {
			t.Errorf("attribute %s = %q, want %q", name, got.Attributes[name], want)
		}
	}
	if got.Attempt != 3 || got.Data != string(e.Data) {
		t.Errorf("attempt %d with data %q, want 3 with %q", got.Attempt, got.Data, e.Data)
	}
}

// testAtOnce needs the server to keep many connections at once, each for several requests, some with large bodies.
func testAtOnce(t *testing.T, inv invoke.Invoker) {
	g, ctx := errgroup.WithContext(t.Context())
	for i := range 64 {
		g.Go(func() error {
			data := []byte(strings.Repeat(strconv.Itoa(i%10), 1+i*1000))
			for range 5 {
				o, err := inv.Invoke(ctx, call(&event.Event{ID: strconv.Itoa(i), Source: "/test", Type: "echo", Data: data}))
				if err != nil {
					return err
				}
				if o.Reply == nil || !strings.Contains(string(o.Reply.Data), string(data)) {
					return fmt.Errorf("call %d: outcome = %+v", i, o)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

func echo(t *testing.T, inv invoke.Invoker, e *event.Event) *event.Event {
	t.Helper()
	o, err := inv.Invoke(t.Context(), call(e))
	if err == nil && o.Reply == nil {
		err = errors.New("no reply")
	}
	if err != nil {
		t.Fatalf("outcome = %+v: %v", o, err)
	}
	return o.Reply
}

func call(e *event.Event) *invoke.Call {
	return &invoke.Call{Event: e, Function: "test/echo", Attempt: 3, Deadline: time.Now().Add(time.Minute)}
}
