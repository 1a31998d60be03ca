package supervisor

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/process"
	"github.com/pelton-dev/pelton/internal/stream"
)

// The waits between tries to make a function's consumers.
const (
	provisionRetry    = time.Second
	provisionRetryMax = 30 * time.Second
	provisionTimeout  = 30 * time.Second
)

// setup is how a new version of a function comes to serve: its consumers are made, it is built, its program is found. One
// setup runs at a time. Guarded by unit.mu.
type setup struct {
	newest  *function.Function // the version that shall serve
	spec    bool               // newest is not set up yet
	files   bool               // files have changed since the last setup began
	running bool               // a setup or a repair
	tries   int
	retry   time.Time // no setup before; zero for none that waits
	err     error     // of the last one
	build   *BuildStatus
	changes changes

	// provisioned is the version whose consumers were made last: what is published from then on reaches it. Nil before the
	// first.
	provisioned *function.Function
	repair      repair
}

func newSetup(fn *function.Function) setup {
	return setup{newest: fn, spec: true, changes: newChanges()}
}

// apply takes a new manifest of the function. One that says the same changes nothing.
func (u *unit) apply(fn *function.Function) {
	u.mu.Lock()
	defer u.release()
	old := u.setup.newest
	if reflect.DeepEqual(old.Spec, fn.Spec) && old.Origin.Dir == fn.Origin.Dir {
		return
	}
	u.setup.newest, u.setup.spec, u.setup.err = fn, true, nil
	u.setup.tries, u.setup.retry = 0, time.Time{}
	u.setup.changes = newChanges()
	u.look()
}

// job is one setup.
type job struct {
	fn    *function.Function
	spec  bool      // the manifest is new
	files bool      // files have changed
	since time.Time // where consumers begin that must be made anew; zero is now
}

// beginSetup starts a setup or a repair if there is a reason and none runs.
func (u *unit) beginSetup(now time.Time) {
	u.mu.Lock()
	defer u.release()
	u.noteLoss()
	s := &u.setup
	switch {
	case s.running:
	case (s.spec || s.files) && !s.retry.After(now):
		j := job{s.newest, s.spec, s.files, s.repair.since()}
		s.running, s.spec, s.files, s.retry = true, false, false, time.Time{}
		u.work.Go(func() { u.setUp(j) })
	case s.repair.lost && !s.repair.retry.After(now):
		s.running = true
		s.repair.begin(now)
		fn, since := s.provisioned, s.repair.since()
		u.work.Go(func() { u.repair(fn, since) })
	}
}

// nextTry returns how long a setup or a repair waits; 0 if none does.
func (s *setup) nextTry(now time.Time) time.Duration {
	wait := until(now, s.retry)
	if s.repair.lost && s.repair.retry.After(now) {
		wait = sooner(wait, s.repair.retry.Sub(now))
	}
	return wait
}

// setUp makes a version ready to serve, or says why it cannot.
func (u *unit) setUp(j job) {
	path, retry, err := u.prepare(j)
	u.mu.Lock()
	defer u.release()
	u.setup.running = false
	last := u.setup.err
	u.setup.err = err
	switch {
	case u.ctx.Err() != nil:
	case err != nil:
		if last == nil || last.Error() != err.Error() {
			u.tell(Event{Kind: EventSetupFailed, Text: err.Error()})
		}
		if retry {
			u.retryLater(j)
		}
	default:
		u.setup.tries = 0
		u.activate(j, path)
	}
	u.broadcast()
}

// retryLater puts a setup off whose cause may pass by itself. The caller holds mu.
func (u *unit) retryLater(j job) {
	s := &u.setup
	s.spec, s.files = s.spec || j.spec, s.files || j.files
	s.retry = time.Now().Add(provisionWait(s.tries))
	s.tries++
}

// provisionWait is the wait after that many tries and one.
func provisionWait(tries int) time.Duration {
	if tries >= 5 {
		return provisionRetryMax
	}
	return provisionRetry << tries
}

// prepare does the work of a setup. retry says that the same may work later.
func (u *unit) prepare(j job) (path string, retry bool, err error) {
	if j.spec {
		if err := u.provision(j.fn, j.since); err != nil {
			return "", true, err
		}
	}
	if _, err := referenced(j.fn); err != nil {
		return "", true, err // it may be written any time
	}
	if len(j.fn.Spec.Handler.Build) > 0 {
		if err := u.buildInTurn(j.fn); err != nil {
			return "", false, err
		}
	}
	return u.resolve(j.fn), false, nil
}

// provision makes the consumers and begins to watch them. Those that must be made anew begin with what was stored at since.
func (u *unit) provision(fn *function.Function, since time.Time) error {
	ctx, cancel := context.WithTimeout(u.ctx, provisionTimeout)
	defer cancel()
	if err := u.sup.provisions.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("provision consumers: %w", err)
	}
	defer u.sup.provisions.Release(1)
	u.sup.schedules.RLock()
	defer u.sup.schedules.RUnlock()
	begun := time.Now()
	consumers, err := stream.EnsureFunctionSince(ctx, u.sup.js, fn, since)
	if err != nil {
		return fmt.Errorf("provision consumers: %w", err)
	}
	u.sup.watchQueue(u, consumers)
	u.mu.Lock()
	defer u.release()
	u.setup.provisioned = fn
	u.setup.repair.made(begun)
	u.broadcast()
	return nil
}

// activate lets a version serve. Replicas of the one before stay until newer ones are ready. The caller holds mu.
func (u *unit) activate(j job, path string) {
	first := u.fn == nil
	if first || j.files || !sameButScale(u.fn, j.fn) {
		u.generation++
		u.tracker.reset()
		u.resume, u.backoff = time.Time{}, ""
		if !first {
			u.tell(Event{Kind: EventReloaded, Text: reloadReason(j)})
		}
	}
	u.fn, u.path, u.policy = j.fn, path, demand.PolicyOf(&j.fn.Spec)
}

func reloadReason(j job) string {
	if j.spec {
		return "its manifest has changed"
	}
	return "its files have changed"
}

// sameButScale reports whether two versions differ at most in how many replicas they want, which restarts nothing.
func sameButScale(a, b *function.Function) bool {
	x, y := a.Spec, b.Spec
	x.Scale, y.Scale = function.Scale{}, function.Scale{}
	return reflect.DeepEqual(x, y) && a.Origin.Dir == b.Origin.Dir
}

// resolve finds a handler's program once, so that a cold start does not search for it. What cannot be found yet is left to
// the start, whose error says so. Version managers take their time to answer, so not all are asked at once.
func (u *unit) resolve(fn *function.Function) string {
	if len(fn.Spec.Handler.Command) == 0 {
		return ""
	}
	if u.sup.provisions.Acquire(u.ctx, 1) != nil {
		return ""
	}
	defer u.sup.provisions.Release(1)
	path, err := process.LookPath(fn.Spec.Handler.Command[0], fn.Origin.Dir, handlerEnv(fn))
	if err != nil {
		return ""
	}
	return path
}
