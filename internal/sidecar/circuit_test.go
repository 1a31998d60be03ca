package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// opensAfter is how many different events must fail in a row; the docs say so.
const opensAfter = 20

var errDown = invoke.Outcome{Kind: invoke.Retry, Reason: "503: the database is down"}

// rested returns the runs after which the replica rested.
func (r *runs) rested() (rests []ledger.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range r.all {
		if run.Rests > 0 {
			rests = append(rests, run)
		}
	}
	return rests
}

// failedOpen counts the calls that failed once the replica had begun to rest.
func (r *runs) failedOpen() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	open := false
	for _, run := range r.all {
		if open && run.Duration > 0 && run.Outcome != ledger.OutcomeDone {
			n++
		}
		open = open || run.Rests > 0
	}
	return n
}

func (f *fixture) publishMany(n int) {
	f.t.Helper()
	for i := range n {
		if _, err := f.js.PublishMsgAsync(msg(i)); err != nil {
			f.t.Fatal(err)
		}
	}
	waittest.Receive(f.t, f.js.PublishAsyncComplete())
}

// awaitRests waits until the replica has rested so many times.
func (f *fixture) awaitRests(n int) {
	f.t.Helper()
	waittest.Eventually(f.t, func() error {
		if have := len(f.runs.rested()); have < n {
			return fmt.Errorf("%d rests, want %d", have, n)
		}
		return nil
	})
}

// TestCircuitKeepsAttemptsWhileEveryCallFails has what is behind the handler go down with a thousand events waiting, and come back.
func TestCircuitKeepsAttemptsWhileEveryCallFails(t *testing.T) {
	t.Parallel()
	const events, concurrency = 1000, 8
	var healed atomic.Bool
	var failures atomic.Int64
	f := setup(t, func(s *function.Spec) { s.Concurrency, s.Retry.MaxAttempts = concurrency, 20 },
		func(context.Context, *invoke.Call) (invoke.Outcome, error) {
			if !healed.Load() {
				failures.Add(1)
				return errDown, nil
			}
			return invoke.Outcome{}, nil
		})
	f.publishMany(events)
	r := f.start()
	f.awaitRests(3)
	if reason := r.Resting(); !strings.Contains(reason, "20 events have failed one after another") ||
		!strings.Contains(reason, "the database is down") {
		t.Errorf("resting: %q", reason)
	}
	healed.Store(true)
	f.awaitSettled()
	rests := len(f.runs.rested())
	// Each rest but the first comes after one call. Those that were in work when the circuit opened fail, too.
	if n := f.runs.failedOpen(); n > concurrency-1+rests-1 {
		t.Errorf("%d calls failed with the circuit open, with %d rests", n, rests)
	}
	if n := f.handler.calls.Load(); n != events+failures.Load() {
		t.Errorf("%d calls, %d failed: want each event to succeed once", n, failures.Load())
	}
	if l := f.letters(); len(l) != 0 {
		t.Errorf("%d dead letters, the first: %+v", len(l), l[0])
	}
	if reason := r.Resting(); reason != "" {
		t.Errorf("it still rests: %s", reason)
	}
	f.checkDeliveries(2 * events)
}

// checkDeliveries counts what the server has delivered from the event stream.
func (f *fixture) checkDeliveries(most uint64) {
	f.t.Helper()
	c := stream.ConsumersOf(f.fn)[0]
	have, err := f.js.Consumer(f.t.Context(), c.Stream, c.Name)
	if err != nil {
		f.t.Fatal(err)
	}
	if n := have.CachedInfo().Delivered.Consumer; n > most {
		f.t.Errorf("%d deliveries, want at most %d", n, most)
	}
}

// TestCircuitStaysClosed where not everything is down: bad events among good ones, few bad ones alone, and a handler that names the
// time at which an event shall come again. Each event comes to its end in its own time.
func TestCircuitStaysClosed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		events, letters int
		outcome         func(n int, c *invoke.Call) invoke.Outcome
	}{
		"poison among good events": {200, 100, func(n int, _ *invoke.Call) invoke.Outcome {
			if n%2 == 0 {
				return errDown
			}
			return invoke.Outcome{}
		}},
		"few bad events": {opensAfter - 1, opensAfter - 1, func(int, *invoke.Call) invoke.Outcome { return errDown }},
		"all rejected": {3 * opensAfter, 3 * opensAfter, func(int, *invoke.Call) invoke.Outcome {
			return invoke.Outcome{Kind: invoke.Reject, Reason: "no"}
		}},
		"later, by the handler": {3 * opensAfter, 0, func(_ int, c *invoke.Call) invoke.Outcome {
			if c.Attempt < 3 {
				return invoke.Outcome{Kind: invoke.Retry, After: time.Millisecond}
			}
			return invoke.Outcome{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, func(s *function.Spec) { s.Concurrency = 1 },
				func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
					n, err := strconv.Atoi(c.Event.ID)
					return test.outcome(n, c), err
				})
			f.publishMany(test.events)
			f.start()
			waittest.Eventually(t, func() error {
				if n := len(f.letters()); n < test.letters {
					return fmt.Errorf("%d dead letters, want %d", n, test.letters)
				}
				return nil
			})
			f.awaitSettled()
			if rests := f.runs.rested(); len(rests) > 0 {
				t.Errorf("%d rests, the first after %+v", len(rests), rests[0])
			}
			if n := len(f.letters()); n != test.letters {
				t.Errorf("%d dead letters, want %d", n, test.letters)
			}
		})
	}
}

// TestEventsGrowOldWhileTheCircuitIsOpen: of a function that never does anything else, what is older than maxAge dies without a call.
func TestEventsGrowOldWhileTheCircuitIsOpen(t *testing.T) {
	t.Parallel()
	const events = 200
	f := setup(t, func(s *function.Spec) {
		s.Concurrency, s.Retry.MaxAttempts, s.Retry.MaxAge = 1, 100, function.Duration(5*time.Second)
	}, func(context.Context, *invoke.Call) (invoke.Outcome, error) { return errDown, nil })
	f.start()
	f.publishMany(events)
	f.awaitSettled()
	rests := len(f.runs.rested())
	if n := f.runs.failedOpen(); rests == 0 || n > rests-1 {
		t.Errorf("%d calls failed with the circuit open, with %d rests", n, rests)
	}
	letters := f.letters()
	if len(letters) != events {
		t.Errorf("%d dead letters, want %d", len(letters), events)
	}
	for _, l := range letters {
		if l.Reason != "expired" {
			t.Errorf("dead letter %+v", l)
		}
	}
}

// TestStopWhileTheCircuitIsOpen stops a replica that rests, and one whose probe runs. Another finds every event.
func TestStopWhileTheCircuitIsOpen(t *testing.T) {
	t.Parallel()
	var healed, hold atomic.Bool
	probing := make(chan struct{})
	f := setup(t, func(s *function.Spec) { s.Concurrency, s.Retry.MaxAttempts = 2, 8 },
		func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
			if healed.Load() {
				return invoke.Outcome{}, nil
			}
			if hold.CompareAndSwap(true, false) {
				close(probing)
				<-ctx.Done()
				return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeCanceled, Err: ctx.Err()}
			}
			return errDown, nil
		})
	f.cfg.DrainTimeout = time.Millisecond
	f.publishMany(100)
	f.start().stop(t) // before it is open, most often
	r := f.start()
	f.awaitRests(1)
	r.stop(t)
	r = f.start()
	f.awaitRests(2)
	hold.Store(true)
	waittest.Receive(t, probing)
	r.stop(t)
	healed.Store(true)
	f.start()
	f.awaitSettled()
	if l := f.letters(); len(l) != 0 {
		t.Errorf("dead letters: %+v", l)
	}
}

// TestProbeSurvivesALostConnection: what is asked for as a probe is forgotten with the connection, and is asked for again.
func TestProbeSurvivesALostConnection(t *testing.T) {
	t.Parallel()
	var healed atomic.Bool
	f := setup(t, func(s *function.Spec) { s.Concurrency, s.Retry.MaxAttempts = 1, 1 },
		func(context.Context, *invoke.Call) (invoke.Outcome, error) {
			if healed.Load() {
				return invoke.Outcome{}, nil
			}
			return errDown, nil
		})
	awaitAsked := f.watchRequests()
	r := f.start()
	f.publishMany(opensAfter)
	f.awaitRests(1)
	f.awaitSettled() // now nothing is there for a probe
	healed.Store(true)
	awaitAsked()
	for range 2 {
		if err := f.nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		awaitAsked()
	}
	f.publish("events.hello", "", ceHeader("after"))
	waittest.Eventually(t, func() error {
		if reason := r.Resting(); reason != "" {
			return errors.New(reason)
		}
		return nil
	})
	f.awaitSettled()
}
