package functions_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/functions"
	peltonevent "github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
	"github.com/pelton-dev/pelton/internal/invoke/streamcall"
)

// behaveBatch does what the type of the first event says, or of each what its own type says.
func behaveBatch(ctx context.Context, events []event.Event) ([]functions.Result, error) {
	switch events[0].Type() {
	case "none":
		return nil, nil
	case "few":
		return make([]functions.Result, 1), nil
	case "error of all":
		return nil, errors.New("the disk is full")
	case "reject of all":
		return nil, functions.Reject("a bad one is among them")
	case "panic of all":
		panic("of all")
	}
	deliveries := functions.BatchFromContext(ctx)
	results := make([]functions.Result, len(events))
	for i, e := range events {
		if e.Type() == "delivery" {
			results[i].Reply = text(fmt.Sprintf("%s %d %d of %d", deliveries[i].Function, deliveries[i].Attempt,
				deliveries[i].Redeliveries, len(events)))
			continue
		}
		results[i].Reply, results[i].Err = behave(ctx, e)
	}
	return results, nil
}

// batchTransport starts a program that is asked for batches.
type batchTransport func(t *testing.T, kind string) invoke.BatchInvoker

func overEachBatch(t *testing.T, test func(t *testing.T, start batchTransport)) {
	for name, start := range map[string]batchTransport{"stream": batchStream, "http": batchHTTP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start)
		})
	}
}

func batchStream(t *testing.T, kind string) invoke.BatchInvoker {
	t.Helper()
	socket := socketPath(t)
	inv, err := streamcall.Listen(streamcall.Config{Socket: socket, Namespace: "prod", Function: "thumbnail", Batches: true})
	ready(t, inv, err, startProgram(t, "PELTON_SOCKET="+socket, handlerEnv+"="+kind))
	return inv
}

func batchHTTP(t *testing.T, kind string) invoke.BatchInvoker {
	t.Helper()
	socket := socketPath(t)
	inv, err := httpcall.New(httpcall.Config{Network: "unix", Address: socket})
	ready(t, inv, err, startProgram(t, "PELTON_SOCKET="+socket, "PELTON_PROTOCOL=cloudevents", handlerEnv+"="+kind))
	return inv
}

func newBatch(types ...string) *invoke.Batch {
	b := &invoke.Batch{Function: "prod/thumbnail", Deadline: time.Now().Add(patience)}
	for i, typ := range types {
		e := newCall(typ).Event
		e.ID = strconv.Itoa(i)
		b.Items = append(b.Items, invoke.Item{Event: e, Attempt: i + 1, Redeliveries: i})
	}
	return b
}

// TestBatchOutcomes gives batches to a BatchFunc, and to a Func, for which it makes no difference.
func TestBatchOutcomes(t *testing.T) {
	t.Parallel()
	overEachBatch(t, func(t *testing.T, start batchTransport) {
		for _, kind := range []string{"batch", "one"} {
			inv := start(t, kind)
			types := []string{"done", "error", "retry", "reject", "mirror"}
			want := []string{
				"done ", "retry the disk is full \uFFFD", "retry store: busy 7s", "reject order 7: unknown customer", "done  reply",
			}
			if kind == "one" {
				types, want = append(types, "panic"), append(want, "retry panic: assignment to entry in nil map")
			}
			v, err := inv.InvokeBatch(t.Context(), newBatch(types...))
			if err != nil || v.All != nil {
				t.Fatalf("%s: all %v, error %v", kind, v.All, err)
			}
			if d := cmp.Diff(want, summaries(v)); d != "" {
				t.Errorf("%s: %s", kind, d)
			}
			if r := v.Each[4].Outcome.Reply; r == nil || string(r.Data) != `{"n":1}` || r.ID != "4" || len(r.Extensions) != 2 {
				t.Errorf("%s: the mirrored event is %+v", kind, r)
			}
		}
	})
}

func summaries(v invoke.Verdict) (lines []string) {
	for _, r := range v.Each {
		line := r.Outcome.Kind.String() + " " + r.Outcome.Reason
		if r.Outcome.After > 0 {
			line += " " + r.Outcome.After.String()
		}
		if r.Outcome.Reply != nil {
			line += " reply"
		}
		if r.Err != nil {
			line = r.Err.Error()
		}
		lines = append(lines, line)
	}
	return lines
}

func TestBatchAsAWhole(t *testing.T) {
	t.Parallel()
	overEachBatch(t, func(t *testing.T, start batchTransport) {
		inv := start(t, "batch")
		for typ, want := range map[string]string{
			"none": "done ", "few": "retry the function returned 1 results for 2 events", "error of all": "retry the disk is full",
			"reject of all": "reject a bad one is among them", "panic of all": "retry panic: of all",
		} {
			v, err := inv.InvokeBatch(t.Context(), newBatch(typ, "done"))
			if err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			got := "done "
			if v.All != nil {
				got = v.All.Kind.String() + " " + strings.TrimPrefix(strings.TrimPrefix(v.All.Reason, "HTTP 503: "), "HTTP 422: ")
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s: got %q, want %q", typ, got, want)
			}
		}
	})
}

func TestBatchDeliveries(t *testing.T) {
	t.Parallel()
	overEachBatch(t, func(t *testing.T, start batchTransport) {
		v, err := start(t, "batch").InvokeBatch(t.Context(), newBatch("delivery", "done", "delivery"))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range map[int]string{0: "thumbnail 1 0 of 3", 2: "thumbnail 3 2 of 3"} {
			if r := v.Each[i].Outcome.Reply; r == nil || string(r.Data) != want {
				t.Errorf("event %d: got %+v, want %q", i, r, want)
			}
		}
	})
}

// TestLargeRepliesOfABatch has five replies of which the limit has room for three or four: the others are tried again.
func TestLargeRepliesOfABatch(t *testing.T) {
	t.Parallel()
	overEachBatch(t, func(t *testing.T, start batchTransport) {
		b := newBatch("mirror", "mirror", "mirror", "mirror", "mirror", "done")
		for i := range b.Items {
			b.Items[i].Event = &peltonevent.Event{
				ID: strconv.Itoa(i), Source: "/s", Type: b.Items[i].Event.Type, DataContentType: "text/plain",
				Data: []byte(strings.Repeat("x", 1000<<10)),
			}
		}
		v, err := start(t, "batch").InvokeBatch(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		replies, again := 0, 0
		for _, r := range v.Each {
			switch {
			case r.Outcome.Reply != nil:
				replies++
			case r.Err != nil || r.Outcome.Kind == invoke.Retry:
				again++
			}
		}
		if replies < 3 || replies+again != 5 || v.Each[5].Err != nil || v.Each[5].Outcome.Kind != invoke.Done {
			t.Errorf("%d replies and %d to try again: %v", replies, again, summaries(v)[5])
		}
	})
}

// TestCallOfABatchFunc is a function without batches in its manifest.
func TestCallOfABatchFunc(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	inv, err := streamcall.Listen(streamcall.Config{Socket: socket, Namespace: "prod", Function: "thumbnail"})
	ready(t, inv, err, startProgram(t, "PELTON_SOCKET="+socket, handlerEnv+"=batch"))
	for typ, want := range map[string]invoke.Kind{"done": invoke.Done, "reject": invoke.Reject, "reject of all": invoke.Reject} {
		if o, err := inv.Invoke(t.Context(), newCall(typ)); err != nil || o.Kind != want {
			t.Errorf("%s: got %+v (%v), want %v", typ, o, err, want)
		}
	}
}
