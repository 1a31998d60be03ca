package supervisor

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/wake"
)

// repairRest is how long no repair must have been needed for the next one to be made at once.
const repairRest = 2 * provisionRetryMax

// repair is how consumers come back that somebody has deleted, alone or with their stream. What serves goes on serving
// meanwhile: other consumers of the function may have work. Guarded by unit.mu.
type repair struct {
	good  time.Time // all consumers existed then
	lost  bool      // one was seen not to exist since, and has not been made again
	tries int       // without a rest between them
	begun time.Time // the last one
	retry time.Time // none before
	err   error     // of the last one; nil once all consumers exist
}

// noteLoss looks whether all consumers exist. The caller holds mu.
func (u *unit) noteLoss() {
	r := &u.setup.repair
	reading := u.sup.watcher.Reading(u.key)
	switch {
	case u.setup.provisioned == nil || r.lost:
	case errors.Is(reading.Err, wake.ErrNoConsumer):
		r.lost = true
	case reading.Err == nil && reading.At.After(r.good):
		r.good = reading.At
	}
}

// made notes that all consumers exist. The caller holds mu.
func (r *repair) made(at time.Time) { r.good, r.lost, r.err = at, false, nil }

// since is where consumers begin that must be made anew: when all were seen last, so that nothing is skipped that was stored
// since then. It is zero, which is now, while none is lost. The caller holds mu.
func (r *repair) since() time.Time {
	if !r.lost {
		return time.Time{}
	}
	return r.good
}

// begin notes a repair. The next one waits, however this one ends: a server that starts, or has just lost its leader, denies
// consumers that it has. The caller holds mu.
func (r *repair) begin(now time.Time) {
	if now.Sub(r.begun) > repairRest {
		r.tries = 0
	}
	r.begun, r.retry = now, now.Add(provisionWait(r.tries))
	r.tries++
}

// repair makes the consumers of a version again.
func (u *unit) repair(fn *function.Function, since time.Time) {
	u.log.Warn("a consumer is gone, making it again", zap.Time("since", since))
	err := u.provision(fn, since)
	u.mu.Lock()
	defer u.release()
	u.setup.running = false
	u.broadcast()
	if err == nil || u.ctx.Err() != nil {
		return
	}
	err = fmt.Errorf("a consumer is gone: %w", err)
	if last := u.setup.repair.err; last == nil || last.Error() != err.Error() {
		u.tell(Event{Kind: EventSetupFailed, Text: err.Error()})
	}
	u.setup.repair.err = err
}
