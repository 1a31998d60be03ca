package natsauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestDelivery has a real sidecar do everything that a sidecar does, with the credentials of its function: deliver, store a
// reply, park a retry and deliver it again, write a dead letter and run records, and hand back what it has not begun.
func TestDelivery(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	js := r.admins["a"]
	fn := newFunction("work", func(s *function.Spec) {
		s.Concurrency = 1
		s.Reply = &function.Reply{Subject: "events.replies"}
		s.Triggers = append(s.Triggers, function.Trigger{Event: &function.EventTrigger{Stream: "OWN", Subjects: []string{"own.*"}}})
	})
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OWN", Subjects: []string{"own.>"}}); err != nil {
		t.Fatal(err)
	}
	r.provision("a", fn)
	began, held := make(chan struct{}), make(chan struct{})
	p := r.run(fn, r.file(r.issuer("a", 0), fn), func(ctx context.Context, c *invoke.Call) (invoke.Outcome, error) {
		switch string(c.Event.Data) {
		case `"retry"`:
			if c.Attempt == 1 {
				return invoke.Outcome{Kind: invoke.Retry}, nil
			}
		case `"reject"`:
			return invoke.Outcome{Kind: invoke.Reject, Reason: "not wanted"}, nil
		case `"hold"`:
			close(began)
			<-held
		}
		return invoke.Outcome{Reply: &event.Event{Type: "done", Data: c.Event.Data}}, nil
	})
	for _, m := range [][2]string{{"events.work", "plain"}, {"own.one", "retry"}, {"events.work", "retry"}, {"events.work", "reject"}} {
		publish(t, js, m[0], m[1])
	}
	r.await("PELTON_DEAD", "pelton.dead.default.work", 1)
	r.await("EVENTS", "events.replies", 3)
	r.awaitSettled(fn)

	publish(t, js, "events.work", "hold")
	waittest.Receive(t, began)
	publish(t, js, "events.work", "later")
	p.cancel()
	close(held)
	p.stop()
	r.await("EVENTS", "events.replies", 4)
	c, err := js.Consumer(t.Context(), "EVENTS", stream.ConsumersOf(fn)[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error { // what was handed back can be had at once, not after AckWait
		m, err := c.Next(jetstream.FetchMaxWait(time.Second), jetstream.FetchPriorityGroup(stream.PriorityGroup))
		if err != nil {
			return err
		}
		if string(m.Data()) != `"later"` {
			t.Errorf("handed back: %s", m.Data())
		}
		return m.Ack()
	})
	r.checkRecords(fn)
}

// TestResults has a sidecar say what became of a call whose caller asks later, with the credentials of a function that has no HTTP trigger
// any more.
func TestResults(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	fn := newFunction("work", nil)
	r.provision("a", fn)
	r.run(fn, r.file(r.issuer("a", 0), fn), func(context.Context, *invoke.Call) (invoke.Outcome, error) {
		return invoke.Outcome{}, nil
	})
	id := result.ID{Namespace: "default", Function: "work", Token: result.NewToken()}
	m := &nats.Msg{Subject: "pelton.work.default.work.http", Header: nats.Header{}}
	if err := (result.Call{Token: id.Token, Keep: 60}).Attach(m); err != nil {
		t.Fatal(err)
	}
	if _, err := r.admins["a"].PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		record, _, err := result.Read(t.Context(), r.admins["a"].Conn(), id)
		if err == nil && record.State != result.Done {
			err = fmt.Errorf("the call is %s", record.State)
		}
		return err
	})
}

// TestOrderedDelivery has replicas of a function with an order do what they do with its credentials: find a leader, call events back
// that another one had, give them to each other, and write down a failed attempt.
func TestOrderedDelivery(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	js := r.admins["a"]
	fn := newFunction("order", func(s *function.Spec) {
		s.Concurrency, s.Ordering = 1, &function.Ordering{Key: "string(data)"}
		s.Retry = function.Retry{MaxAttempts: 3, MaxBackoff: function.Duration(time.Millisecond)}
	})
	r.provision("a", fn)
	both := make(chan struct{}, 2)
	creds := r.file(r.issuer("a", 0), fn)
	handle := func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		if d := string(c.Event.Data); c.Attempt == 1 && (d == `"both"` || d == `"at a time"`) {
			both <- struct{}{}
			for len(both) < 2 { // only two replicas can do this
				<-time.After(time.Millisecond)
			}
		}
		if c.Attempt == 1 {
			return invoke.Outcome{Kind: invoke.Retry}, nil
		}
		return invoke.Outcome{}, nil
	}
	first := r.run(fn, creds, handle)
	publish(t, js, "events.order", "one")
	r.awaitSettled(fn)
	r.run(fn, creds, handle)
	publish(t, js, "events.order", "both")
	publish(t, js, "events.order", "at a time")
	r.awaitSettled(fn)
	first.stop()
	publish(t, js, "events.order", "two")
	r.awaitSettled(fn)
}

func (r *rig) checkRecords(fn *function.Function) {
	r.t.Helper()
	runs, err := ledger.History(r.t.Context(), r.admins["a"], "default", fn.Metadata.Name, 100)
	if err != nil {
		r.t.Fatal(err)
	}
	outcomes := map[string]int{}
	for _, run := range runs {
		outcomes[run.Outcome]++
	}
	if outcomes[ledger.OutcomeDone] != 4 || outcomes[ledger.OutcomeRetry] != 2 || outcomes[ledger.OutcomeDead] != 1 {
		r.t.Errorf("run records: %v", outcomes)
	}
	letters, err := deadletter.List(r.t.Context(), r.admins["a"], deadletter.Filter{})
	if err != nil || len(letters) != 1 || letters[0].Reason != deadletter.ReasonRejected {
		r.t.Errorf("dead letters %v, %v", letters, err)
	}
}

func publish(t testing.TB, js jetstream.JetStream, subject, data string) {
	t.Helper()
	if _, err := js.Publish(t.Context(), subject, fmt.Appendf(nil, "%q", data)); err != nil {
		t.Fatal(err)
	}
}

// await waits until a stream has so many messages on a subject.
func (r *rig) await(name, subject string, want uint64) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		s, err := r.admins["a"].Stream(r.t.Context(), name)
		if err != nil {
			return err
		}
		info, err := s.Info(r.t.Context(), jetstream.WithSubjectFilter(subject))
		if err == nil && info.State.Subjects[subject] != want {
			err = fmt.Errorf("%d messages on %s, want %d", info.State.Subjects[subject], subject, want)
		}
		return err
	})
}

// awaitSettled waits until nothing is pending or unacknowledged.
func (r *rig) awaitSettled(fn *function.Function) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		for _, c := range stream.ConsumersOf(fn) {
			have, err := r.admins["a"].Consumer(r.t.Context(), c.Stream, c.Name)
			if err != nil {
				return err
			}
			if i := have.CachedInfo(); i.NumPending > 0 || i.NumAckPending > 0 {
				return fmt.Errorf("consumer %s: %d pending, %d unacknowledged", c.Name, i.NumPending, i.NumAckPending)
			}
		}
		s, err := r.admins["a"].Stream(r.t.Context(), stream.WorkStream)
		if err == nil && s.CachedInfo().State.Msgs > 0 {
			err = errors.New("events are parked")
		}
		return err
	})
}
