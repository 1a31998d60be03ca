package supervisor

import (
	"cmp"
	"context"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

// Status returns what is known of a function now.
func (s *Supervisor) Status(key function.Key) (Status, error) {
	u, err := s.unit(key)
	if err != nil {
		return Status{}, err
	}
	return u.status(), nil
}

// List returns the status of every function, by namespace and name.
func (s *Supervisor) List() []Status {
	units := s.all()
	list := make([]Status, len(units))
	for i, u := range units {
		list[i] = u.status()
	}
	return list
}

// AwaitSetup waits for Run to begin and returns when the consumers of every function exist as its newest manifest asks, so that
// events published from now on reach them, or could not be made, which Status tells. Builds may still run.
func (s *Supervisor) AwaitSetup(ctx context.Context) error {
	select {
	case <-s.begun:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, u := range s.all() {
		if err := u.awaitSetup(ctx); err != nil {
			return err
		}
	}
	if s.ctx.Err() != nil {
		return ErrStopped
	}
	return nil
}

func (u *unit) awaitSetup(ctx context.Context) error {
	for {
		u.mu.Lock()
		settled, changed := u.setup.provisioned == u.setup.newest || u.setup.err != nil, u.changed
		u.release()
		if settled {
			return nil
		}
		select {
		case <-changed:
		case <-u.ctx.Done():
			return nil // removed meanwhile
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (u *unit) status() Status {
	reading := u.sup.watcher.Reading(u.key)
	u.mu.Lock()
	defer u.release()
	s := Status{
		Function: u.fn, Key: u.key,
		Wanted: u.decision.Replicas, Reason: u.decision.Reason, DecidedAt: u.decided,
		ServiceTime: u.service, LastRun: u.load.last(),
		Restarts: u.restarts, Muted: u.setup.changes.mutedPaths(),
	}
	if s.Function == nil {
		s.Function = u.setup.newest
	}
	if reading.Err != nil {
		s.QueueError = reading.Err.Error()
	}
	if err := cmp.Or(u.setup.err, u.setup.repair.err); err != nil {
		s.SetupError = err.Error()
	}
	if u.resume.After(time.Now()) {
		s.NextStart, s.Backoff = u.resume, u.backoff
	}
	s.Held = copyOf(u.held)
	s.LastExit, s.LastStart, s.Build = copyOf(u.lastExit), copyOf(u.times), copyOf(u.setup.build)
	u.countReplicas(&s)
	s.Due = dueOf(reading, max(s.InFlight, u.busy))
	s.InFlight += u.direct
	s.Phase = u.phase(&s)
	return s
}

// copyOf gives out a value that the loop does not change any more.
func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// countReplicas fills in the replicas. The caller holds mu.
func (u *unit) countReplicas(s *Status) {
	for _, r := range u.replicas {
		rs := ReplicaStatus{
			Name: r.name, State: r.state.String(), Address: r.address(), Generation: r.generation, StartedAt: r.decided,
		}
		if r.proc != nil {
			rs.PID = r.proc.PID()
		}
		if r.sidecar != nil {
			rs.InFlight, rs.Paused, rs.Resting = r.sidecar.InFlight(), r.sidecar.Paused(), r.sidecar.Resting()
		}
		s.InFlight += rs.InFlight
		switch r.state {
		case starting:
			s.Starting++
		case ready:
			s.Ready++
		default:
			s.Draining++
		}
		s.Replicas = append(s.Replicas, rs)
	}
}

// address is where the handler is reached, once its process has been started. The caller holds unit.mu.
func (r *replica) address() string {
	if r.proc == nil {
		return "" // openLink may be at it
	}
	return r.link.address
}

// phase sums a status up. The caller holds mu.
func (u *unit) phase(s *Status) Phase {
	switch {
	case u.fn == nil && u.setup.err != nil && !u.setup.running:
		return PhaseBroken
	case u.fn == nil:
		return PhaseSetup
	case s.Ready > 0:
		return PhaseReady
	case s.Starting > 0:
		return PhaseStarting
	case !s.NextStart.IsZero() && s.Wanted > 0:
		return PhaseBackoff
	case s.Draining > 0:
		return PhaseDraining
	case s.Wanted > 0:
		return PhaseStarting
	}
	return PhaseIdle
}
