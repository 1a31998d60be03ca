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
	return functions.Serve(h.call)
}

// call is one call. What it is about to answer it notes first: a kill in between makes a duplicate, which is counted, and
// never hides one.
func (h *handler) call(ctx context.Context, e sdk.Event) (*sdk.Event, error) {
	d := functions.FromContext(ctx)
	note := record{ID: e.ID(), Source: e.Source(), Sum: checksum(e.Data()), Attempt: d.Attempt, Again: d.Redeliveries}
	var b body
	if err := json.Unmarshal(e.Data(), &b); err == nil { // if not, the checksum tells
		note.Key, note.Sequence = b.Key, b.Seq
	}
	h.note(note, recordBegun)
	switch {
	case h.takes == takesAll:
		h.note(note, recordDone)
		return reply(note.key())
	case b.Kind == KindReject:
		h.note(note, recordRejected)
		return nil, functions.Reject(errAsked.Error())
	case b.Kind == KindPoison, b.Kind == KindFailOnce && d.Attempt == 1:
		h.note(note, recordFailed)
		return nil, errAsked
	case b.Kind == KindHangOnce && d.Attempt == 1:
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
