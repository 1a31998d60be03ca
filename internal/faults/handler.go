package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

const replyType = "faults.reply"

// hangsOn is how much longer a call that never answers takes than it may.
const hangsOn = 2 * time.Second

var errAsked = errors.New("the event asks for it")

// handler is the process that handles events on the SDK and notes each call.
type handler struct {
	ledger  *ledger
	replica string
	takes   takes
}

// handle is the role.
func handle(_ context.Context, getenv func(string) string) error {
	h := &handler{replica: getenv(replicaVariable), takes: takes(getenv(takesVariable))}
	name := handlerLedger
	if h.takes == takesAll {
		name = healedLedger
	}
	var err error
	if h.ledger, err = openLedger(getenv(ledgerVariable), name); err != nil {
		return err
	}
	if getenv(batchesVariable) != "" {
		return functions.ServeBatch(h.batch)
	}
	return functions.Serve(h.call)
}

// call is one call. What it is about to answer it notes first: a kill in between makes a duplicate, which is counted, and
// never hides one.
func (h *handler) call(ctx context.Context, e sdk.Event) (*sdk.Event, error) {
	d := functions.FromContext(ctx)
	note, b := h.begin(e, d)
	switch kind, err := h.answer(b, d); {
	case err != nil:
		h.note(note, kind)
		return nil, err
	case h.takes == takesAll:
		h.note(note, recordDone)
		return reply(note.key())
	case b.hangs(d):
		<-ctx.Done()
		h.note(note, recordCut)
		// The sidecar's clock must be the first to say that it has taken too long: an answer would be an outcome of its own.
		time.Sleep(hangsOn)
		return nil, ctx.Err()
	}
	select {
	case <-time.After(b.Work):
	case <-ctx.Done():
		h.note(note, recordCut)
		return nil, ctx.Err()
	}
	h.note(note, recordDone)
	return reply(note.key())
}

// begin notes that a call has begun.
func (h *handler) begin(e sdk.Event, d functions.Delivery) (record, body) {
	note := record{ID: e.ID(), Source: e.Source(), Sum: checksum(e.Data()), Attempt: d.Attempt, Again: d.Redeliveries}
	var b body
	if err := json.Unmarshal(e.Data(), &b); err == nil { // if not, the checksum tells
		note.Key, note.Sequence = b.Key, b.Seq
	}
	h.note(note, recordBegun)
	return note, b
}

// answer is what an event is answered with, and what is noted of it.
func (h *handler) answer(b body, d functions.Delivery) (recordKind, error) {
	switch {
	case h.takes == takesAll:
		return recordDone, nil
	case b.Kind == KindReject:
		return recordRejected, functions.Reject(errAsked.Error())
	case b.Kind == KindPoison, b.Kind == KindFailOnce && d.Attempt == 1:
		return recordFailed, errAsked
	}
	return recordDone, nil
}

// hangs reports whether an event is not answered at all.
func (b *body) hangs(d functions.Delivery) bool { return b.Kind == KindHangOnce && d.Attempt == 1 }

// note writes a record, or ends the process.
func (h *handler) note(r record, kind recordKind) {
	r.Kind, r.Replica = kind, h.replica
	if err := h.ledger.write(r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitBroken)
	}
}

// reply tells in its data which event it answers.
func reply(to key) (*sdk.Event, error) {
	e := sdk.New()
	e.SetType(replyType)
	return &e, e.SetData(sdk.ApplicationJSON, to)
}
