package streamcall

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestCancel tells the handler that nobody waits; a late result does no harm.
func TestCancel(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	p := connect(t, inv)
	ctx, cancel := context.WithCancel(t.Context())
	running := start(ctx, inv, newCall(10))
	id := p.next(t, streamwire.KindCall).Call.ID
	cancel()
	wantCode(t, waittest.Receive(t, running), invoke.CodeCanceled)
	if f := p.next(t, streamwire.KindCancel); f.Cancel.ID != id {
		t.Fatalf("cancel: got id %d, want %d", f.Cancel.ID, id)
	}

	call := newCall(10)
	call.Deadline = time.Now().Add(50 * time.Millisecond)
	running = start(t.Context(), inv, call)
	late := p.next(t, streamwire.KindCall).Call
	if late.Deadline != call.Deadline.UnixNano() {
		t.Errorf("deadline: got %d, want %d", late.Deadline, call.Deadline.UnixNano())
	}
	wantCode(t, waittest.Receive(t, running), invoke.CodeTimeout)
	p.next(t, streamwire.KindCancel)

	running = start(t.Context(), inv, newCall(10))
	last := p.next(t, streamwire.KindCall).Call.ID
	p.send(t, append(append(append(done(id), done(late.ID)...), done(999)...), done(last)...))
	wantDone(t, waittest.Receive(t, running))
}

// TestBadResults fails the one call and keeps the connection.
func TestBadResults(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	p := connect(t, inv)
	good := &event.Event{ID: "1", Source: "/s", Type: "t"}
	for _, c := range []struct {
		name   string
		result streamwire.Result
		code   string
	}{
		{"no outcome", streamwire.Result{}, invoke.CodeBadResponse},
		{"unknown outcome", streamwire.Result{Outcome: 77}, invoke.CodeBadResponse},
		{"too large, says the handler", streamwire.Result{Outcome: streamwire.OutcomeTooLarge}, invoke.CodeResponseTooLarge},
		{
			"reply without a type",
			streamwire.Result{Outcome: streamwire.OutcomeDone, Reply: &event.Event{ID: "1", Source: "/"}},
			invoke.CodeBadResponse,
		},
		{
			"too large",
			streamwire.Result{Outcome: streamwire.OutcomeDone, Reply: &event.Event{Data: make([]byte, 65<<10)}},
			invoke.CodeResponseTooLarge,
		},
		{
			"far too large",
			streamwire.Result{Outcome: streamwire.OutcomeDone, Reply: &event.Event{Data: make([]byte, 4<<20)}},
			invoke.CodeResponseTooLarge,
		},
		{"good", streamwire.Result{Outcome: streamwire.OutcomeDone, Reply: good}, ""},
	} {
		running := start(t.Context(), inv, newCall(10))
		c.result.ID = p.next(t, streamwire.KindCall).Call.ID
		p.send(t, streamwire.AppendResult(nil, &c.result))
		r := waittest.Receive(t, running)
		var e *invoke.Error
		if c.code == "" {
			wantDone(t, r)
		} else if !errors.As(r.err, &e) || e.Code != c.code {
			t.Errorf("%s: got %+v and %v, want code %s", c.name, r.outcome, r.err, c.code)
		}
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	p := connect(t, inv)
	for _, c := range []struct {
		result streamwire.Result
		want   invoke.Outcome
	}{
		{
			streamwire.Result{Outcome: streamwire.OutcomeRetry, RetryAfter: -1, Reason: "a\nb"},
			invoke.Outcome{Kind: invoke.Retry, Reason: "a b"},
		},
		{
			streamwire.Result{Outcome: streamwire.OutcomeRetry, RetryAfter: int64(time.Second)},
			invoke.Outcome{Kind: invoke.Retry, After: time.Second},
		},
		{
			streamwire.Result{Outcome: streamwire.OutcomeReject, Reason: strings.Repeat("x", 5000)},
			invoke.Outcome{Kind: invoke.Reject, Reason: strings.Repeat("x", invoke.MaxReason)},
		},
	} {
		running := start(t.Context(), inv, newCall(10))
		c.result.ID = p.next(t, streamwire.KindCall).Call.ID
		p.send(t, streamwire.AppendResult(nil, &c.result))
		if r := waittest.Receive(t, running); r.err != nil || r.outcome != c.want {
			t.Errorf("result %+v: got %+v and %v, want %+v", c.result, r.outcome, r.err, c.want)
		}
	}
}

func TestEventThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	connect(t, inv)
	for _, spoil := range []func(e *event.Event){
		func(e *event.Event) { e.Subject = "\xff" },
		func(e *event.Event) { e.Extensions = []event.Attribute{{Name: "subject", Value: "\xff"}} },
	} {
		call := newCall(1)
		spoil(call.Event)
		o, err := inv.Invoke(t.Context(), call)
		if err != nil || o.Kind != invoke.Reject || o.Reason != "event attribute subject is not UTF-8" {
			t.Fatalf("got %+v and %v, want a rejection", o, err)
		}
	}
}
