package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestFromZeroAndBack runs an event of every protocol from zero, and is at zero again when the cooldown is over.
func TestFromZeroAndBack(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*function.Spec){
		"tcp":    func(*function.Spec) {},
		"unix":   func(s *function.Spec) { s.Handler.Listen = function.ListenUnix },
		"http":   func(s *function.Spec) { s.Handler.Protocol = function.ProtocolHTTP },
		"stream": func(s *function.Spec) { s.Handler.Protocol = function.ProtocolStream },
		"exec": func(s *function.Spec) {
			s.Handler.Protocol, s.Handler.Command = function.ProtocolExec, []string{
				"sh", "-c",
				"cat; setsid sleep 100 > /dev/null 2>&1 &",
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mode := "serve"
			if name == "stream" {
				mode = "stream"
			}
			r := newRig(t, nil, makeFunction(t, name, mode, change))
			if s := r.awaitPhase(name, PhaseIdle); len(s.Replicas) != 0 {
				t.Fatalf("replicas without work: %+v", s)
			}
			r.publish(name, "one")
			r.awaitDone(name, 1)
			s := r.await(name, "at zero", func(s Status) bool { return s.Phase == PhaseIdle && len(s.Replicas) == 0 })
			if s.LastStart == nil || s.LastStart.Ready <= 0 || s.LastExit != nil || s.Restarts != 0 || s.LastRun.IsZero() {
				t.Errorf("status %+v", s)
			}
			r.publish(name, "two")
			r.awaitDone(name, 2)
		})
	}
}

// TestScalesWithTheBacklog starts as many replicas as the backlog is worth, and goes back to minReplicas.
func TestScalesWithTheBacklog(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, makeFunction(t, "busy", "serve", func(s *function.Spec) {
		s.Concurrency = 1
		s.Scale.MinReplicas, s.Scale.MaxReplicas = 1, 4
	}))
	r.await("busy", "at minReplicas", func(s Status) bool { return s.Ready == 1 })
	for range 40 {
		r.publish("busy", "slow")
	}
	s := r.await("busy", "at maxReplicas", func(s Status) bool { return s.Ready == 4 })
	if s.Reason == "" || s.Wanted != 4 {
		t.Errorf("status %+v", s)
	}
	r.awaitDone("busy", 40)
	r.await("busy", "at minReplicas again", func(s Status) bool { return len(s.Replicas) == 1 && s.Ready == 1 })
	if n := r.outcomes("busy", ledger.OutcomeDone); n != 40 {
		t.Errorf("%d done of 40", n)
	}
}

// TestNoReplicasForCallsThatFail has a backlog for more replicas than there are, while every call of these fails.
func TestNoReplicasForCallsThatFail(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, makeFunction(t, "busy", "serve", func(s *function.Spec) {
		s.Concurrency, s.Retry.MaxAttempts = 1, 2
		s.Scale.MinReplicas, s.Scale.MaxReplicas, s.Scale.Target = 1, 4, function.Target{Backlog: 30}
	}))
	r.await("busy", "at minReplicas", func(s Status) bool { return s.Ready == 1 })
	for range 25 {
		r.publish("busy", "down")
	}
	r.await("busy", "resting", func(s Status) bool { return len(s.Replicas) == 1 && s.Replicas[0].Resting != "" })
	for range 100 {
		r.publish("busy", "down")
	}
	s := r.await("busy", "holding", func(s Status) bool { return strings.Contains(s.Reason, "calls fail one after another") })
	if s.Wanted != 1 || len(s.Replicas) != 1 {
		t.Errorf("status %+v", s)
	}
}

// TestCrashIsRepaired kills a warm handler, and lets one crash on an event.
func TestCrashIsRepaired(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, makeFunction(t, "frail", "serve", func(s *function.Spec) { s.Scale.MinReplicas = 1 }))
	s := r.await("frail", "ready", func(s Status) bool { return s.Ready == 1 })
	for range 3 {
		pid := s.Replicas[0].PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.publish("frail", "after the kill")
		s = r.await("frail", "ready with another process", func(s Status) bool {
			return s.Ready == 1 && len(s.Replicas) == 1 && s.Replicas[0].PID != pid
		})
	}
	if s.Restarts != 3 || s.LastExit.Signal != "SIGKILL" || !s.LastExit.Ready {
		t.Errorf("status %+v, last exit %+v", s, s.LastExit)
	}
	r.awaitDone("frail", 3)
	r.publish("frail", "crash")
	e := r.await("frail", "crashed", func(s Status) bool { return s.Restarts > 3 && s.LastExit.Code == 7 }).LastExit
	if len(e.Stderr) == 0 || e.Stderr[len(e.Stderr)-1] != "about to crash" {
		t.Errorf("stderr %q", e.Stderr)
	}
	r.awaitEvent(EventExited)
}

// TestNeverReadyBurnsNoAttempt has handlers that never listen, that exit, and that are not there. The event waits unharmed,
// and is done once the handler is repaired.
func TestNeverReadyBurnsNoAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		broken *function.Function
		reason string
	}{
		"mute": {makeFunction(t, "mute", "mute"), "did not listen on 127.0.0.1:"},
		"exit": {makeFunction(t, "exit", "exit"), "handler ended before it accepted calls: exit status 3"},
		"gone": {
			makeFunction(t, "gone", "", func(s *function.Spec) { s.Handler.Command = []string{"./gone"} }),
			"gone does not exist",
		},
		"gone2": {makeFunction(t, "gone2", "", func(s *function.Spec) {
			s.Handler.Command, s.Handler.Protocol = []string{"no-such-tool"}, function.ProtocolExec
		}), "no-such-tool\": program not found in $PATH"},
		"nosdk": {
			makeFunction(t, "nosdk", "mute", func(s *function.Spec) { s.Handler.Protocol = function.ProtocolStream }),
			"did not connect to",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Long enough for the repaired one on a busy machine: what begins to listen as its time is up is killed with its call.
			r := newRig(t, func(c *Config) { c.StartTimeout = 1500 * time.Millisecond }, c.broken)
			r.publish(name, "precious")
			s := r.await(name, "backing off", func(s Status) bool { return s.Restarts > 2 && !s.NextStart.IsZero() })
			waittest.Eventually(t, func() error {
				if e := r.statusOf(name).LastExit; e == nil || !contains(e.Reason, c.reason) || e.Ready {
					return errors.New("last exit " + e.Reason)
				}
				return nil
			})
			if s.Backoff == "" || s.Wanted != 1 {
				t.Errorf("status %+v", s)
			}
			r.awaitEvent(EventStartFailed)
			r.sup.Apply([]*function.Function{makeFunction(t, name, "serve")})
			r.awaitDone(name, 1)
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, run := range r.runs {
				if run.Attempt != 1 {
					t.Errorf("attempt %d: %+v", run.Attempt, run)
				}
			}
		})
	}
}

// TestDeafHandlerIsReplaced has a handler that lives but stops listening.
func TestDeafHandlerIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.StartTimeout = 3 * time.Second }, makeFunction(t, "deaf", "serve", always))
	r.publish("deaf", "deaf")
	r.await("deaf", "told", func(s Status) bool { return !s.LastRun.IsZero() })
	r.publish("deaf", "x") // which finds nobody, and is kept
	r.await("deaf", "replaced", func(s Status) bool {
		// On a busy machine a successor may be too slow to start, and its exit is the last one then.
		return s.LastExit != nil && s.Ready == 1 && len(s.Replicas) > 0 && s.Replicas[0].Name != "deaf-1"
	})
	waittest.Eventually(t, func() error {
		for _, run := range r.runsOf("deaf") {
			if run.Outcome == ledger.OutcomeDone && run.Sequence == 2 {
				return nil
			}
		}
		return errors.New("the second event is not done")
	})
}

// TestDeafHandlerKeepsItsCalls has a handler that stops listening in the middle of a long call: it is replaced, and the call
// is not cut.
func TestDeafHandlerKeepsItsCalls(t *testing.T) {
	t.Parallel()
	fn := makeFunction(t, "leave", "serve", always, func(s *function.Spec) { s.Concurrency, s.Scale.MaxReplicas = 2, 1 })
	r := newRig(t, func(c *Config) { c.StartTimeout = 3 * time.Second }, fn)
	r.publish("leave", "leave")
	old := r.await("leave", "in the call", func(s Status) bool { return s.InFlight == 1 && s.Ready == 1 }).Replicas[0].Name
	// A call that came while it listened would keep its connection, and all later ones would use that.
	waittest.Eventually(t, func() error {
		_, err := os.Stat(filepath.Join(fn.Origin.Dir, "left"))
		return err
	})
	waittest.Eventually(t, func() error {
		r.publish("leave", "x") // finds nobody
		if r.statusOf("leave").Restarts == 0 {
			return errors.New("not replaced")
		}
		return nil
	})
	r.await("leave", "replaced", func(s Status) bool { return s.Ready == 1 && s.Draining == 1 })
	if err := os.WriteFile(filepath.Join(fn.Origin.Dir, "return"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		for _, run := range r.runsOf("leave") {
			if run.Sequence != 1 {
				continue
			}
			if run.Outcome != ledger.OutcomeDone || run.Replica != old {
				t.Errorf("the long call: %+v", run)
			}
			return nil
		}
		return errors.New("the long call is not over")
	})
	r.await("leave", "rid of the old one", func(s Status) bool { return s.Draining == 0 })
}

// TestInvoke calls past the queue, from zero, and holds the replica while it lasts.
func TestInvoke(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, makeFunction(t, "direct", "serve"), makeFunction(t, "broken", "exit"))
	call := func(name, body string) (invoke.Outcome, error) {
		e := &event.Event{ID: "1", Source: "test", Type: "t", Data: []byte(body)}
		return r.sup.Invoke(t.Context(), function.Key{Namespace: "default", Name: name}, e)
	}
	r.awaitPhase("direct", PhaseIdle)
	r.awaitPhase("broken", PhaseIdle)
	for _, body := range []string{"x", "slow"} {
		if o, err := call("direct", body); err != nil || o.Kind != invoke.Done {
			t.Fatal(o, err)
		}
	}
	if _, err := call("none", "x"); !errors.Is(err, ErrUnknownFunction) {
		t.Errorf("unknown: %v", err)
	}
	var failed *StartError
	if _, err := call("broken", "x"); !errors.As(err, &failed) || failed.Exit.Code != 3 || len(failed.Exit.Stderr) == 0 {
		t.Errorf("broken: %v", err)
	}
	r.await("direct", "at zero", func(s Status) bool { return len(s.Replicas) == 0 })
}

// TestShutdownCutsCalls stops while a call hangs: it is cut, handed back without an attempt, and nothing is left.
func TestShutdownCutsCalls(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	r := newRig(t, func(c *Config) { c.DrainTimeout, c.RuntimeDir = 200*time.Millisecond, dir },
		makeFunction(t, "hang", "escape", func(s *function.Spec) { s.Handler.Listen = function.ListenUnix }))
	r.publish("hang", "hang")
	r.await("hang", "in the call", func(s Status) bool { return s.InFlight == 1 && s.Ready == 1 })
	r.stop()
	if n := r.outcomes("hang", ledger.OutcomeReturned); n != 1 {
		t.Errorf("%d handed back, want 1: %+v", n, r.runs)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("runtime directory: %v", err)
	}
}

// TestShutdownWhileRecordsCannotBeWritten stops while a dead letter finds no stream. The function's timeout does not hold it
// up.
func TestShutdownWhileRecordsCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.DrainTimeout = time.Second }, makeFunction(t, "a", "serve", func(s *function.Spec) {
		s.Timeout, s.Retry.MaxAttempts = function.Duration(time.Hour), 1
	}))
	if err := r.js.DeleteStream(t.Context(), stream.DeadStream); err != nil {
		t.Fatal(err)
	}
	r.publish("a", "crash")
	r.awaitEvent(EventExited)
	stopped := make(chan struct{})
	go func() {
		r.stop()
		close(stopped)
	}()
	waittest.Receive(t, stopped)
}

// TestHandlerThatWaitsForItsConnections ends by itself: nobody keeps one open until it is killed. This one was never used.
func TestHandlerThatWaitsForItsConnections(t *testing.T) {
	t.Parallel()
	patient := func(c *Config) { c.StopGrace = 30 * time.Second }
	r := newRig(t, patient, makeFunction(t, "faithful", "faithful", func(s *function.Spec) {
		s.Handler.Protocol = function.ProtocolHTTP
		s.Scale.MinReplicas = 1
	}))
	r.await("faithful", "ready", func(s Status) bool { return s.Ready == 1 })
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if want := "the connection has ended: EOF"; !slices.Contains(r.lines, want) {
		t.Errorf("the handler said %q, want %q", r.lines, want)
	}
}

// TestRemove takes a function away while it serves.
func TestRemove(t *testing.T) {
	t.Parallel()
	keep := makeFunction(t, "keep", "serve")
	r := newRig(t, nil, keep, makeFunction(t, "leave", "serve", func(s *function.Spec) { s.Scale.MinReplicas = 1 }))
	s := r.await("leave", "ready", func(s Status) bool { return s.Ready == 1 })
	if len(r.sup.List()) != 2 {
		t.Errorf("list %+v", r.sup.List())
	}
	r.sup.Apply([]*function.Function{keep})
	waittest.Eventually(t, func() error {
		if syscall.Kill(s.Replicas[0].PID, 0) == nil {
			return errors.New("the handler still runs")
		}
		return nil
	})
	r.awaitEvent(EventRemoved)
	r.publish("keep", "x")
	r.awaitDone("keep", 1)
}

// TestRemoveAndAddAgain adds a function again while a replica of before still drains. Its end leaves the new replica alone,
// which has the same name.
func TestRemoveAndAddAgain(t *testing.T) {
	t.Parallel()
	fn := makeFunction(t, "a", "serve", always, func(s *function.Spec) {
		s.Handler.Listen, s.Timeout = function.ListenUnix, function.Duration(3*time.Second)
	})
	r := newRig(t, nil, fn)
	r.publish("a", "hang")
	old := r.await("a", "busy", func(s Status) bool { return s.Ready == 1 && s.InFlight == 1 }).Replicas[0]
	r.sup.Apply(nil)
	r.awaitEvent(EventRemoved)
	r.sup.Apply([]*function.Function{fn})
	young := r.await("a", "ready again", func(s Status) bool { return s.Ready == 1 }).Replicas[0]
	if young.Name != old.Name || young.PID == old.PID {
		t.Fatalf("old %+v, new %+v", old, young)
	}
	waittest.Eventually(t, func() error { // the socket goes after the sweep for left processes
		_, err := os.Stat(old.Address)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil
		case err == nil:
			return errors.New("the old replica is still there")
		default:
			return err
		}
	})
	if s := r.statusOf("a"); s.Restarts != 0 || s.Ready != 1 || s.Replicas[0].PID != young.PID {
		t.Errorf("the new replica did not survive: %+v, last exit %+v", s, s.LastExit)
	}
}

// TestStartStop starts and stops at every stage of a start.
func TestStartStop(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		r := newRig(t, nil,
			makeFunction(t, "a", "serve", func(s *function.Spec) { s.Scale.MinReplicas = 2 }),
			makeFunction(t, "b", "exit", func(s *function.Spec) { s.Scale.MinReplicas = 1 }),
			makeFunction(t, "c", "stream", func(s *function.Spec) {
				s.Scale.MinReplicas, s.Handler.Protocol = 1, function.ProtocolStream
			}))
		r.publish("a", "x")
		timer := time.NewTimer(time.Duration(i) * 10 * time.Millisecond)
		<-timer.C
		r.stop()
	}
}
