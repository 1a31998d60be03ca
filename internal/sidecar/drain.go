package sidecar

import (
	"context"
	"time"

	"go.uber.org/zap"
)

const flushTimeout = 2 * time.Second

// phases are the three things that end one after another when a sidecar stops: taking messages, calling the handler, and
// recording outcomes. None of the last two ends with the context that Run was given.
type phases struct {
	intake, calls, records       context.Context
	stopIntake, cutCalls, giveUp context.CancelFunc
}

func newPhases(ctx context.Context) *phases {
	detached := context.WithoutCancel(ctx)
	var p phases
	p.intake, p.stopIntake = context.WithCancel(detached)
	p.calls, p.cutCalls = context.WithCancel(detached)
	p.records, p.giveUp = context.WithCancel(detached)
	return &p
}

func (p *phases) end() {
	p.stopIntake()
	p.cutCalls()
	p.giveUp()
}

// drain ends delivery: stop asking, hand back what has not begun, wait for what runs, cut it when the time is up, and leave
// the rest to be delivered again. It returns with no worker running.
func (s *Sidecar) drain(p *phases) {
	s.draining.Store(true)
	s.busy.leave()
	p.stopIntake()
	s.stopSources()
	// Once the flush is answered, everything the server had sent is in the inbox.
	s.flush()
	s.returnWaiting(p.records)

	finished := make(chan struct{})
	go func() {
		s.workers.Wait()
		close(finished)
	}()
	if !waitFor(finished, s.cut, s.cfg.DrainTimeout) {
		s.log.Warn("calls cut, drain timeout is over", zap.Int64("in_flight", s.held.Load()))
		p.cutCalls()
		if !waitFor(finished, nil, settleGrace) {
			p.giveUp()
		}
		<-finished
	}
	if s.ordered != nil {
		close(s.ordered.finished)
	}
	s.returnWaiting(p.records)
}

// flush waits until the server has everything that was published, and we have everything it had sent by then.
func (s *Sidecar) flush() {
	if err := s.nc.FlushTimeout(flushTimeout); err != nil {
		s.log.Debug("connection not flushed", zap.Error(err))
	}
}

func (s *Sidecar) stopSources() {
	for _, src := range s.sources {
		src.stop()
	}
}

// Cut ends the patience of a drain: calls that run are cut now, and records that cannot be written are given up soon after.
// It may be called at any time, and more than once.
func (s *Sidecar) Cut() { s.cutOnce.Do(func() { close(s.cut) }) }

// waitFor reports whether done comes before the time is over or cut ends the wait.
func waitFor(done, cut <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-cut:
		return false
	case <-timer.C:
		return false
	}
}
