package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/process"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/wake"
)

// rig is a supervisor with everything real around it.
type rig struct {
	t     testing.TB
	js    jetstream.JetStream
	sup   *Supervisor
	guard *process.Guard
	stop  func() // ends the supervisor and waits for it

	mu     sync.Mutex
	events []Event
	runs   []ledger.Run
	lines  []string
}

// newRig starts a supervisor on functions. change may adjust its configuration.
func newRig(t testing.TB, change func(*Config), functions ...*function.Function) *rig {
	t.Helper()
	return newRigOn(t, natstest.Start(t), change, functions...)
}

// newRigOn is newRig on a server that may hold something already.
func newRigOn(t testing.TB, srv *natstest.Server, change func(*Config), functions ...*function.Function) *rig {
	t.Helper()
	nc := srv.Conn(t)
	r := &rig{t: t, js: srv.JetStream(t)}
	if _, err := stream.Ensure(context.Background(), r.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	watcher, err := wake.New(nc, wake.Config{DepthInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r.startGuard()
	cfg := Config{
		Guard: r.guard, OnEvent: r.onEvent, OnOutput: r.onOutput, Recorder: ledger.RecorderFunc(r.onRun),
		StopGrace: 2 * time.Second, DrainTimeout: 5 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	if r.sup, err = New(nc, watcher, cfg); err != nil {
		t.Fatal(err)
	}
	r.sup.Apply(functions)
	ctx, cancel := context.WithCancel(context.Background())
	watching, stopWatching := context.WithCancel(context.Background())
	var watch, host sync.WaitGroup
	watch.Go(func() {
		if err := watcher.Run(watching); err != nil {
			t.Error(err)
		}
	})
	host.Go(func() {
		if err := r.sup.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r.stop = func() {
		cancel()
		host.Wait()
		stopWatching()
		watch.Wait()
	}
	t.Cleanup(r.finish)
	if err := r.sup.AwaitSetup(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) startGuard() {
	guard, err := process.StartGuard(process.GuardConfig{RunID: process.NewRunID()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.guard = guard
}

// finish stops everything and makes sure that no process is left, before the guard would see to it.
func (r *rig) finish() {
	r.stop()
	if n, err := process.KillStale(r.guard.RunID()); err != nil || n > 0 {
		r.t.Errorf("%d processes left: %v", n, err)
	}
	if err := r.guard.Close(); err != nil {
		r.t.Error(err)
	}
	if r.t.Failed() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range r.events {
			r.t.Logf("%s %s %s %s %s %q", e.Time.Format("05.000"), e.Function, e.Kind, e.Replica, e.Text, e.Lines)
		}
	}
}

func (r *rig) onEvent(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *rig) onRun(run ledger.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, run)
}

func (r *rig) onOutput(o Output) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, o.Line)
}

// publish stores an event on the subject that makeFunction's triggers take.
func (r *rig) publish(name, body string) {
	r.t.Helper()
	if _, err := r.js.Publish(context.Background(), "events."+name, []byte(body)); err != nil {
		r.t.Fatal(err)
	}
}

// awaitPulls waits until a consumer of a function has pull requests: those of workers, and the probe. One that comes in
// while the consumer is deleted is not answered.
func (r *rig) awaitPulls(c stream.Consumer, n int) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		have, err := r.js.Consumer(context.Background(), c.Stream, c.Name)
		if err == nil && have.CachedInfo().NumWaiting != n {
			err = fmt.Errorf("%d requests wait, want %d", have.CachedInfo().NumWaiting, n)
		}
		return err
	})
}

// createStream makes a stream for triggers of its own.
func (r *rig) createStream(name, subject string) {
	r.t.Helper()
	if _, err := r.js.CreateStream(context.Background(), streamConfig(name, subject)); err != nil {
		r.t.Fatal(err)
	}
}

// schedules says how many schedules there are, unless there are n.
func (r *rig) schedules(n int) error {
	s, err := r.js.Stream(context.Background(), stream.WorkStream)
	if err != nil {
		return err
	}
	info, err := s.Info(context.Background(), jetstream.WithSubjectFilter("pelton.park.*.*.schedule.>"))
	if err != nil {
		return err
	}
	if have := info.State.Subjects; len(have) != n {
		return fmt.Errorf("schedules %v, want %d", have, n)
	}
	return nil
}

// runsOf returns the runs of a function so far.
func (r *rig) runsOf(name string) []ledger.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.runs), func(run ledger.Run) bool { return run.Function != name })
}

// outcomes counts runs of a function with an outcome.
func (r *rig) outcomes(name, outcome string) int {
	n := 0
	for _, run := range r.runsOf(name) {
		if run.Outcome == outcome {
			n++
		}
	}
	return n
}

// outcome says how many runs with an outcome are missing, if any.
func (r *rig) outcome(name, outcome string, n int) error {
	if got := r.outcomes(name, outcome); got < n {
		return fmt.Errorf("%d runs are %s, want %d; status %+v", got, outcome, n, r.statusOf(name))
	}
	return nil
}

// awaitDone waits until n runs are done.
func (r *rig) awaitDone(name string, n int) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error { return r.outcome(name, ledger.OutcomeDone, n) })
}

func (r *rig) statusOf(name string) Status {
	s, err := r.sup.Status(function.Key{Namespace: function.DefaultNamespace, Name: name})
	if err != nil {
		return Status{SetupError: err.Error()}
	}
	return s
}

// await waits until the status of a function is as wanted.
func (r *rig) await(name, what string, ok func(Status) bool) Status {
	r.t.Helper()
	var s Status
	waittest.Eventually(r.t, func() error {
		if s = r.statusOf(name); !ok(s) {
			return fmt.Errorf("%s: not %s: %+v", name, what, s)
		}
		return nil
	})
	return s
}

func (r *rig) awaitPhase(name string, p Phase) Status {
	r.t.Helper()
	return r.await(name, string(p), func(s Status) bool { return s.Phase == p })
}

// awaitEvent waits for an event of a kind, and returns the first.
func (r *rig) awaitEvent(kind EventKind) Event {
	r.t.Helper()
	var found Event
	waittest.Eventually(r.t, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range r.events {
			if e.Kind == kind {
				found = e
				return nil
			}
		}
		return errors.New("no event " + string(kind))
	})
	return found
}

// awaitLine waits for a line of output.
func (r *rig) awaitLine(text string) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, line := range r.lines {
			if strings.Contains(line, text) {
				return nil
			}
		}
		return fmt.Errorf("no line %q in %q", text, r.lines)
	})
}

// makeFunction is a function whose handler is the test binary.
func makeFunction(t testing.TB, name, mode string, change ...func(*function.Spec)) *function.Function {
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind}
	fn.Metadata.Name = name
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{"events." + name}}}}
	fn.Spec.Handler.Command = []string{os.Args[0]}
	fn.Spec.Handler.Env = []function.EnvVar{{Name: handlerMode, Value: mode}}
	fn.Spec.Scale.Cooldown = function.Duration(300 * time.Millisecond)
	fn.Spec.Retry.MinBackoff = function.Duration(50 * time.Millisecond)
	fn.Spec.Retry.MaxBackoff = function.Duration(100 * time.Millisecond)
	fn.Origin.Dir = t.TempDir()
	for _, c := range change {
		c(&fn.Spec)
	}
	fn.SetDefaults()
	if problems := fn.Validate(); len(problems) > 0 {
		t.Fatal(problems)
	}
	return fn
}

func contains(s, part string) bool { return strings.Contains(s, part) }

func streamConfig(name, subject string) jetstream.StreamConfig {
	return jetstream.StreamConfig{Name: name, Subjects: []string{subject}, Storage: jetstream.MemoryStorage}
}

type recorderNone struct{}

func (recorderNone) Record(ledger.Run) {}

func runAt(start time.Time, d time.Duration) ledger.Run {
	return ledger.Run{Started: start, Duration: d}
}
