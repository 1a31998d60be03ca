package supervisor

import (
	"context"
	"fmt"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// Invoke gives one event to a function's handler, past the queue: no retry, no dead letter, no record. It uses a ready
// replica or waits for one to start, and counts as demand while it lasts. It fails when a start fails meanwhile.
func (s *Supervisor) Invoke(ctx context.Context, key function.Key, e *event.Event) (invoke.Outcome, error) {
	u, err := s.unit(key)
	if err != nil {
		return invoke.Outcome{}, err
	}
	u.wish(1)
	defer u.wish(-1)
	r, err := u.acquire(ctx)
	if err != nil {
		return invoke.Outcome{}, fmt.Errorf("invoke %s: %w", key, err)
	}
	defer u.giveBack(r)
	return r.link.inv.Invoke(ctx, &invoke.Call{
		Event: e, Function: key.Namespace + "/" + key.Name, Attempt: 1,
		Deadline: time.Now().Add(time.Duration(r.fn.Spec.Timeout)),
	})
}

// wish counts direct calls as demand.
func (u *unit) wish(n int) {
	u.mu.Lock()
	defer u.release()
	u.direct += n
	u.look()
}

// acquire returns a ready replica once there is one, and keeps it from being drained.
func (u *unit) acquire(ctx context.Context) (*replica, error) {
	failures := -1
	for {
		u.mu.Lock()
		r := u.leastBusy()
		if r != nil {
			r.calls++
			u.release()
			return r, nil
		}
		if failures < 0 {
			failures = u.failures
		}
		err := u.hopeless(failures)
		changed := u.changed
		u.release()
		if err != nil {
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-u.ctx.Done():
			return nil, ErrStopped
		}
	}
}

// leastBusy picks the ready replica of the newest generation with the least in flight. The caller holds mu.
func (u *unit) leastBusy() *replica {
	var best *replica
	load := func(r *replica) int { return r.calls + r.sidecar.InFlight() }
	for _, r := range u.replicas {
		if r.state != ready {
			continue
		}
		if best == nil || r.generation > best.generation || (r.generation == best.generation && load(r) < load(best)) {
			best = r
		}
	}
	return best
}

// hopeless returns why no replica is going to be ready soon: no version could be set up, or a start has failed since. The
// caller holds mu.
func (u *unit) hopeless(failures int) error {
	if u.fn == nil && u.setup.err != nil {
		return u.setup.err
	}
	if u.failures > failures && u.lastExit != nil {
		return &StartError{Exit: *u.lastExit}
	}
	return nil
}

// StartError says that no replica could be started for a direct call.
type StartError struct{ Exit Exit }

// Error is the reason of the failed start.
func (e *StartError) Error() string { return "start handler: " + e.Exit.Reason }

// giveBack ends a direct call.
func (u *unit) giveBack(r *replica) {
	u.mu.Lock()
	defer u.release()
	r.calls--
	u.broadcast()
}

// awaitCalls returns when no direct call runs on a replica any more; their deadlines bound it, and so does the shutdown.
func (u *unit) awaitCalls(r *replica) {
	for {
		u.mu.Lock()
		calls, changed := r.calls, u.changed
		u.release()
		if calls == 0 {
			return
		}
		select {
		case <-changed:
		case <-u.sup.cut.Done():
			_ = r.link.inv.Close()
			return
		}
	}
}
