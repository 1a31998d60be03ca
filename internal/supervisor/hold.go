package supervisor

import (
	"fmt"
	"time"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/function"
)

// Hold keeps a function at so many replicas, whatever waits for it; nil has work decide again. It outlives changes of the manifest,
// and ends with the supervisor. Replicas that go finish the calls that they have begun, within the drain timeout.
func (s *Supervisor) Hold(key function.Key, replicas *int) error {
	u, err := s.unit(key)
	if err != nil {
		return err
	}
	if replicas != nil && *replicas < 0 {
		return fmt.Errorf("hold %s: %d is no number of replicas", key, *replicas)
	}
	u.mu.Lock()
	defer u.release()
	u.held = copyOf(replicas)
	if u.fn != nil {
		u.decide(time.Now()) // now, so that no status is of before
	}
	u.look()
	return nil
}

// obey has whoever holds the function decide, if anybody does. The caller holds mu.
func (u *unit) obey(d demand.Decision) demand.Decision {
	if u.held == nil {
		return d
	}
	d.Replicas, d.Wanted, d.Reason = *u.held, *u.held, fmt.Sprintf("somebody holds it at %d, whatever waits", *u.held)
	return d
}
