package e2e

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/function"
)

// bad is a machine with a function that behaves, and one that does not.
type bad struct {
	*machine
	up     *up
	client *client
	began  time.Time // just before the bad event was put in
	sent   []string
}

// startBad starts a machine with the functions good and bad, and puts an event for bad in.
func startBad(t *testing.T, mode, data string, change ...func(*function.Spec)) *bad {
	t.Helper()
	m := newMachine(t)
	m.function("good", modeServe)
	m.function("bad", mode, change...)
	b := &bad{machine: m, up: m.up()}
	b.client = b.up.client()
	b.began = time.Now()
	b.client.mustSend("events.bad", "event", data)
	return b
}

// neighbour sends events to the good function and waits until they are handled: whatever bad does, they are.
func (b *bad) neighbour() {
	b.t.Helper()
	started := time.Now()
	for range 20 {
		id := number("good", len(b.sent))
		b.client.mustSend("events.good", id, "x")
		b.sent = append(b.sent, id)
	}
	b.awaitEnds("good", len(b.sent))
	b.t.Logf("20 events of the neighbour took %v", time.Since(started))
	if lost, duplicates := tally(b.sent, b.ledger("good").of(recordEnd).ids()); len(lost)+duplicates > 0 {
		b.t.Errorf("neighbour: lost %v, %d handled twice", lost, duplicates)
	}
}

// awaitLetter waits for the dead letter of the bad event.
func (b *bad) awaitLetter(attempts int, parts ...string) {
	b.t.Helper()
	await(b.t, "the event is a dead letter", func() error {
		if b.client.count("PELTON_DEAD") == 0 {
			return errors.Join(errors.New("there is none"), b.client.unacknowledged("bad"))
		}
		return nil
	})
	l := b.client.deadLetters("bad")[0]
	if l.Reason != deadletter.ReasonAttempts || l.Attempts != attempts {
		b.t.Errorf("dead letter: reason %q after %d attempts, want %q after %d", l.Reason, l.Attempts,
			deadletter.ReasonAttempts, attempts)
	}
	contains(b.t, "dead letter", l.Error, parts...)
}

// awaitAnswer waits until why says something.
func (b *bad) awaitAnswer(parts ...string) {
	b.t.Helper()
	await(b.t, "why says so", func() error {
		d := b.why("bad")
		all := d.Answer
		for _, c := range d.Checks {
			all += "\n" + c.State + " " + c.Name + ": " + c.Detail + " " + strings.Join(c.Lines, " ")
		}
		for _, part := range parts {
			if !strings.Contains(all, part) {
				return fmt.Errorf("no %q in %s", part, all)
			}
		}
		return nil
	})
}

// noAttempt makes sure that the event still waits for its first attempt.
func (b *bad) noAttempt() {
	b.t.Helper()
	if n := b.client.count("PELTON_DEAD") + b.client.count("PELTON_WORK"); n > 0 || len(b.ledger("bad").of(recordBegin)) > 0 {
		b.t.Errorf("the event was attempted: %d records, %d calls", n, len(b.ledger("bad").of(recordBegin)))
	}
	if s := b.status("bad"); s.Due != 1 {
		b.t.Errorf("%d due, want 1: %+v", s.Due, s)
	}
}

// awaitZero waits until the bad function has no process, with the server's agreement.
func (b *bad) awaitZero() {
	b.t.Helper()
	await(b.t, "bad is at zero", func() error {
		if left := processesWith("PELTON_FUNCTION=bad"); len(b.ofUp(left)) > 0 {
			return fmt.Errorf("processes %v", left)
		}
		return b.atZero("bad")
	})
}

// ofUp keeps those processes that came from this up.
func (b *bad) ofUp(processes []string) []string {
	ours := map[string]bool{}
	for _, p := range processesWith(tagEnv + "=" + b.up.tag) {
		ours[p] = true
	}
	var kept []string
	for _, p := range processes {
		if ours[p] {
			kept = append(kept, p)
		}
	}
	return kept
}

func few(s *function.Spec) { s.Retry.MaxAttempts = 2 }

func TestHandlerHangs(t *testing.T) {
	t.Parallel()
	b := startBad(t, modeServe, "hang", few, func(s *function.Spec) { s.Timeout = function.Duration(time.Second) })
	b.neighbour()
	b.awaitLetter(2, "timeout")
	b.awaitAnswer("1 dead letter", "timeout")
	b.neighbour()
	b.awaitZero()
}

func TestHandlerFloodsStdout(t *testing.T) {
	t.Parallel()
	b := startBad(t, modeServe, "flood")
	b.neighbour()
	b.awaitEnds("bad", 1)
	b.client.awaitSettled("bad", "good")
	b.awaitZero()
}

func TestHandlerForks(t *testing.T) {
	t.Parallel()
	b := startBad(t, modeForks, "x")
	b.awaitEnds("bad", 1)
	b.awaitZero()
	b.neighbour()
}

func TestHandlerIgnoresSIGTERM(t *testing.T) {
	t.Parallel()
	b := startBad(t, modeStubborn, "x")
	b.awaitEnds("bad", 1)
	b.awaitZero()
	b.neighbour()
}

// TestStubbornHandlerAtStop makes sure that a handler that ignores SIGTERM does not keep `pelton up` from ending.
func TestStubbornHandlerAtStop(t *testing.T) {
	t.Parallel()
	b := startBad(t, modeStubborn, "x", func(s *function.Spec) { s.Scale.MinReplicas = 1 })
	b.awaitEnds("bad", 1)
	if exit := b.up.stop(syscall.SIGTERM); exit != 0 {
		t.Errorf("exit code %d, want 0", exit)
	}
	b.up.awaitNoProcess()
}

func TestHandlerListensLate(t *testing.T) {
	t.Parallel()
	b := startBad(t, modeLate, "x")
	b.neighbour()
	b.awaitEnds("bad", 1)
	b.client.awaitSettled("bad")
	if calls := b.ledger("bad").of(recordBegin); len(calls) != 1 || calls[0].Attempt != 1 {
		t.Errorf("calls %+v, want one, the first attempt", calls)
	}
}

func TestHandlerListensNever(t *testing.T) {
	t.Parallel()
	b := startBad(t, modeNever, "x")
	await(t, "its process runs", func() error {
		if len(b.ledger("bad")) == 0 {
			return errors.New("no process")
		}
		return nil
	})
	b.neighbour()
	b.awaitAnswer("0 ready, 1 starting")
	b.noAttempt()
}

// TestHandlerExits is the crash loop: no attempt is burned, the starts get rarer, and why shows what the handler said last.
func TestHandlerExits(t *testing.T) {
	t.Parallel()
	b := startBad(t, modeExit, "x")
	await(t, "it has been started some times", func() error {
		if n := b.status("bad").Restarts; n < 4 {
			return fmt.Errorf("%d restarts", n)
		}
		return nil
	})
	b.neighbour()
	b.awaitAnswer("replicas: none is ready", "no configuration, giving up", "exit status 3", "the next start waits")
	b.noAttempt()
	// Doubling from 0.1 s: after n starts at least 0.1*(2^(n-2)-1) seconds are over.
	starts, limit := len(b.ledger("bad").of(recordStart)), 3
	for wait := 100 * time.Millisecond; wait < time.Since(b.began); wait *= 2 {
		limit++
	}
	if starts > limit {
		t.Errorf("%d starts in %v, at most %d may be", starts, time.Since(b.began), limit)
	}
}

func TestHandlerAnswersGarbage(t *testing.T) {
	t.Parallel()
	b := startBad(t, modeGarbage, "x", few)
	b.neighbour()
	b.awaitLetter(2)
	b.neighbour()
	b.awaitZero()
}
