package sidecar_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// attemptOf puts an attempt of a call into the queue, as it is there when the one before has failed.
func (f *fixture) attemptOf(id result.ID, attempt int, more nats.Header) {
	f.t.Helper()
	m := &nats.Msg{Subject: "pelton.work.default.hello.retry", Header: ceHeader(id.Token), Data: []byte("1")}
	if err := (result.Call{Token: id.Token, Event: id.Token, Keep: 60}).Attach(m); err != nil {
		f.t.Fatal(err)
	}
	m.Header.Set("Pelton-Attempt", strconv.Itoa(attempt))
	for name, values := range more {
		m.Header[name] = values
	}
	if _, err := f.js.PublishMsg(f.t.Context(), m); err != nil {
		f.t.Fatal(err)
	}
}

// originAt is what a parked attempt says of where its call was stored first.
func originAt(sequence int) nats.Header {
	return nats.Header{
		"Pelton-Origin-Stream": {"PELTON_WORK"}, "Pelton-Origin-Sequence": {strconv.Itoa(sequence)},
		"Pelton-Origin-Subject": {"pelton.work.default.hello.http"}, "Pelton-Origin-Time": {time.Now().UTC().Format(time.RFC3339Nano)},
	}
}

// TestDoneStays when an attempt that has been overtaken comes again, and ends as a dead letter.
func TestDoneStays(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		if c.Attempt == 1 {
			return invoke.Outcome{Kind: invoke.Reject, Reason: "late"}, nil
		}
		return invoke.Outcome{Reply: &event.Event{Data: []byte("here")}}, nil
	})
	f.start()
	id := result.ID{Namespace: "default", Function: "hello", Token: result.NewToken()}
	f.attemptOf(id, 2, originAt(9))
	f.awaitResult(id, result.Done)
	f.attemptOf(id, 1, originAt(9))
	f.awaitSettled()
	if letters := f.letters(); len(letters) != 1 {
		t.Fatalf("%d letters, want that of the late attempt", len(letters))
	}
	if r := f.awaitResult(id, result.Done); r.Answer == nil || string(r.Answer.Body) != "here" || r.Attempts != 2 {
		t.Errorf("%+v, want what the later attempt has said", r)
	}
}

// TestAReplayGoesOnFromItsSecondAttempt too, where nobody could note that its first was made.
func TestAReplayGoesOnFromItsSecondAttempt(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan int, 1), make(chan struct{})
	f := setup(t, nil, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		entered <- c.Attempt
		<-leave
		return invoke.Outcome{}, nil
	})
	id := result.ID{Namespace: "default", Function: "hello", Token: result.NewToken()}
	dead := result.Record{Call: result.Call{Token: id.Token, Keep: 60}, State: result.Dead, Attempts: 3, Origin: 5}
	if err := result.Finish(t.Context(), f.js, id, dead); err != nil {
		t.Fatal(err)
	}
	f.start()
	f.attemptOf(id, 2, originAt(9))
	if got := waittest.Receive(t, entered); got != 2 {
		t.Errorf("attempt %d", got)
	}
	if r := f.awaitResult(id, result.Running); r.Attempts != 2 {
		t.Errorf("%+v", r)
	}
	close(leave)
	f.awaitResult(id, result.Done)
	f.awaitSettled()
}
