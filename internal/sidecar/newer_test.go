package sidecar_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// asks returns a manifest of the fixture's function that asks for subjects.
func asks(subjects ...string) *function.Function {
	return newFunction(func(s *function.Spec) { s.Triggers[0].Event.Subjects = subjects })
}

// replicaOf starts a replica of another manifest, which counts what its handler is called for.
func (f *fixture) replicaOf(fn *function.Function) (*running, *sidecarCalls) {
	f.t.Helper()
	calls := &sidecarCalls{}
	other := *f
	other.fn, other.cfg.Function, other.runs = fn, fn, &runs{}
	other.cfg.Recorder = other.runs
	other.handler = &handler{invoke: func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		calls.add(c.Event.ID)
		return invoke.Outcome{}, nil
	}}
	other.handler.ready.Store(true)
	calls.runs = other.runs
	return other.start(), calls
}

// sidecarCalls counts the events of one replica.
type sidecarCalls struct {
	runs        *runs
	hello, more atomic.Int64
}

func (c *sidecarCalls) add(id string) {
	if strings.HasPrefix(id, "more") {
		c.more.Add(1)
		return
	}
	c.hello.Add(1)
}

func (f *fixture) ensure(fn *function.Function) {
	f.t.Helper()
	if _, err := stream.EnsureFunction(f.t.Context(), f.js, fn); err != nil {
		f.t.Fatal(err)
	}
}

// parked is how many events wait in the function's own queue for their time.
func (f *fixture) parked() int {
	f.t.Helper()
	o, err := stream.OwnedBy(f.t.Context(), f.js, f.fn.Key())
	if err != nil {
		f.t.Fatal(err)
	}
	return o.Parked
}

// TestOldReplicaPassesOn has only a replica of the old manifest at first, and then one of the new beside it: what the new manifest
// has added waits for the new replica, and what both know goes to both.
func TestOldReplicaPassesOn(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	_, old := f.replicaOf(f.fn)
	both := asks("events.hello", "events.more")
	f.ensure(both)
	for i := range 5 {
		f.publish("events.more", "{}", ceHeader(fmt.Sprint("more-", i)))
		f.publish("events.hello", "{}", ceHeader(fmt.Sprint("hello-", i)))
	}
	waittest.Eventually(t, func() error {
		if n, parked := old.hello.Load(), f.parked(); n != 5 || parked == 0 {
			return fmt.Errorf("the old replica was called %d times, %d events are passed on", n, parked)
		}
		return nil
	})
	_, recent := f.replicaOf(both)
	f.awaitSettled()
	if old.more.Load() != 0 || recent.more.Load() != 5 || old.hello.Load()+recent.hello.Load() != 5 {
		t.Errorf("the old replica was called for %d and %d, the new one for %d and %d", old.hello.Load(), old.more.Load(),
			recent.hello.Load(), recent.more.Load())
	}
	for _, outcome := range old.runs.outcomes() {
		if outcome != ledger.OutcomeDone && outcome != ledger.OutcomeReturned {
			t.Errorf("an outcome at the old replica is %s", outcome)
		}
	}
	if n := len(f.letters()); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// TestRemovedSubjectIsLetGo hands back an event whose trigger is gone by now: the server delivers it again all the same.
func TestRemovedSubjectIsLetGo(t *testing.T) {
	t.Parallel()
	f := setup(t, func(s *function.Spec) { s.Triggers[0].Event.Subjects = []string{"events.hello", "events.more"} }, done)
	f.publish("events.more", "{}", ceHeader("more-1"))
	f.publish("events.hello", "{}", ceHeader("hello-1"))
	c, err := f.js.Consumer(t.Context(), "EVENTS", stream.EventConsumer(f.fn.Key()))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(2, jetstream.FetchMaxWait(time.Minute), jetstream.FetchPriorityGroup(stream.PriorityGroup))
	if err != nil {
		t.Fatal(err)
	}
	var held []jetstream.Msg
	for m := range batch.Messages() {
		held = append(held, m)
	}
	f.fn = asks("events.hello")
	f.ensure(f.fn)
	for _, m := range held {
		if err := m.Nak(); err != nil {
			t.Fatal(err)
		}
	}
	_, calls := f.replicaOf(f.fn)
	f.awaitSettled()
	if calls.more.Load() != 0 || calls.hello.Load() != 1 || f.parked() != 0 {
		t.Errorf("called for %d and %d, %d parked", calls.hello.Load(), calls.more.Load(), f.parked())
	}
}

// TestOldEventsOfAnAddedSubject are delivered by a server that has forgotten that it passed over them.
func TestOldEventsOfAnAddedSubject(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	f.publish("events.more", "{}", ceHeader("more-before"))
	broken := ceHeader("more-broken")
	delete(broken, "ce-type")
	f.publish("events.more", "{}", broken)
	f.fn = asks("events.hello", "events.more")
	f.ensure(f.fn)
	f.srv.Restart(t)
	waittest.Eventually(t, func() error { _, err := f.js.AccountInfo(t.Context()); return err })
	f.publish("events.more", "{}", ceHeader("more-after"))
	_, calls := f.replicaOf(f.fn)
	f.awaitSettled()
	if n := calls.more.Load(); n != 1 {
		t.Errorf("called %d times, want once for the event that was published after its subject was asked for", n)
	}
	if letters := f.letters(); len(letters) > 0 {
		t.Errorf("a dead letter of an event that nobody had asked for: %s", letters[0].Reason)
	}
}

// TestPassedEventsOfATriggerThatGoes has an event passed on for a newer manifest, which is taken back before it came to be.
func TestPassedEventsOfATriggerThatGoes(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	_, old := f.replicaOf(f.fn)
	f.ensure(asks("events.hello", "events.more"))
	f.publish("events.more", "{}", ceHeader("more-1"))
	waittest.Eventually(t, func() error {
		if f.parked() != 1 {
			return fmt.Errorf("it is not passed on: %v", old.runs.outcomes())
		}
		return nil
	})
	f.ensure(f.fn)
	f.awaitSettled()
	if n := old.more.Load(); n != 0 {
		t.Errorf("the old replica was called %d times", n)
	}
}
