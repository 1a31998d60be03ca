package e2e

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pelton-dev/pelton/internal/stream"
)

// TestParkedRetryCostsNothing parks the only event of two functions: one until in ten minutes, one until in three seconds.
// Both go to zero, and the second wakes by itself.
func TestParkedRetryCostsNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.function("later", modeServe)
	m.function("soon", modeServe)
	u := m.up()
	c := u.client()
	c.mustSend("events.later", "one", "retry-after 600")
	await(t, "the event is parked and its function at zero", func() error {
		if s := m.status("later"); !s.zero() || len(m.ledger("later").of(recordBegin)) != 1 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if n := c.count(stream.WorkStream); n != 1 {
		t.Errorf("%d messages in %s, want the parked one", n, stream.WorkStream)
	}
	d := m.why("later")
	contains(t, "why", d.detail("retries"), "note: 1 event", "due in 9m")
	contains(t, "why", d.detail("replicas"), "ok: 0 ready")

	c.mustSend("events.soon", "two", "retry-after 5")
	await(t, "the function is at zero while its event waits", func() error {
		l := m.ledger("soon")
		if len(l.of(recordEnd)) > 0 {
			t.Fatal("it was not at zero before the retry")
		}
		if s := m.status("soon"); !s.zero() || len(l.of(recordBegin)) != 1 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	m.awaitEnds("soon", 1)
	l := m.ledger("soon")
	if end := l.of(recordEnd)[0]; end.Attempt != 2 || end.ID != "two" || len(l.of(recordStart)) != 2 {
		t.Errorf("ledger %+v, want attempt 2 in a second process", l)
	}
	if s := m.status("later"); !s.zero() || len(m.ledger("later").of(recordStart)) != 1 {
		t.Errorf("the function that waits is not at zero: %+v", s)
	}
}

// TestParkedRetrySurvivesRestart makes sure that a retry whose time comes while nothing runs happens at the next start.
func TestParkedRetrySurvivesRestart(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.function("soon", modeServe)
	u := m.up()
	u.client().mustSend("events.soon", "one", "retry-after 1")
	await(t, "the event is parked", func() error {
		if n := u.client().count(stream.WorkStream); n == 0 {
			return errors.New("nothing is in the work stream")
		}
		return nil
	})
	u.kill()
	u.awaitNoProcess()
	u = m.up()
	m.awaitEnds("soon", 1)
	u.client().awaitSettled("soon")
	if end := m.ledger("soon").of(recordEnd)[0]; end.Attempt != 2 {
		t.Errorf("attempt %d, want 2", end.Attempt)
	}
}
