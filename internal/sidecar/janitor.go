package sidecar

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// houseTick is how often the janitor looks while something is in work.
const houseTick = time.Second

// janitor keeps what is in work alive and what waits too long from waiting. It sleeps while nothing is in work, so that an
// idle replica does nothing.
type janitor struct {
	awake atomic.Bool
	kick  chan struct{} // one place: a worker wakes the janitor
}

// wake costs one atomic load while the janitor is awake.
func (j *janitor) wake() {
	if !j.awake.Load() && j.awake.CompareAndSwap(false, true) {
		select {
		case j.kick <- struct{}{}:
		default: // one is there already, and the janitor will take it
		}
	}
}

// keepHouse runs until ctx ends.
func (s *Sidecar) keepHouse(ctx context.Context) {
	tick := time.NewTicker(houseTick)
	defer tick.Stop()
	told := make([]progress, len(s.slots))
	for {
		tick.Stop()
		select {
		case <-ctx.Done():
			return
		case <-s.janitor.kick:
		}
		tick.Reset(houseTick)
		for s.janitor.awake.Load() {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				s.tidy(ctx, told, now)
			}
		}
	}
}

// progress is the last sign of life given for a slot's message.
type progress struct {
	msg *nats.Msg
	at  time.Time
}

func (s *Sidecar) tidy(ctx context.Context, told []progress, now time.Time) {
	busy := s.keepAlive(told, now)
	s.busy.see(s.countLasting(now))
	if s.allBusyFor(houseTick, busy, now) {
		s.yield(ctx)
	}
	if busy == 0 && len(s.inbox) == 0 {
		s.janitor.awake.Store(false)
		// A worker may have begun between the count and the store: then nobody would wake us for it.
		if s.held.Load() > 0 {
			s.janitor.awake.Store(true)
		}
	}
}

// keepAlive tells the server of every message in work that it is, often enough that none is given to another.
func (s *Sidecar) keepAlive(told []progress, now time.Time) (busy int) {
	for i := range s.slots {
		m := s.slots[i].msg.Load()
		if m == nil {
			told[i] = progress{}
			continue
		}
		busy++
		if told[i].msg != m {
			told[i] = progress{m, time.Unix(0, s.slots[i].since.Load())}
		}
		if now.Sub(told[i].at) >= s.cfg.AckWait/3-houseTick/2 && (!plantable || !planted(bugNoHeartbeat)) {
			if s.nc.Publish(m.Reply, progressBody) == nil {
				told[i].at = now
			}
		}
	}
	return busy
}

// allBusyFor reports whether nobody has been free for so long to take what waits.
func (s *Sidecar) allBusyFor(d time.Duration, busy int, now time.Time) bool {
	if s.batches != nil {
		return s.batches.allCalling(d, now)
	}
	if busy < len(s.slots) {
		return false
	}
	for i := range s.slots {
		if now.Sub(time.Unix(0, s.slots[i].since.Load())) < d {
			return false
		}
	}
	return true
}

// yield leaves the queue to other replicas while every slot is busy: what was asked for is taken back, and what waits is
// given back. Both once, so that a message is not handed to and fro.
func (s *Sidecar) yield(ctx context.Context) {
	if s.withdraw() {
		s.flush()
	}
	s.returnWaiting(ctx)
}

// withdraw takes back what every source has asked for and reports whether there was anything.
func (s *Sidecar) withdraw() (some bool) {
	for _, src := range s.sources {
		withdrawn, err := src.withdraw()
		if err != nil {
			s.log.Debug("requests not withdrawn", zap.Error(err))
		}
		some = some || withdrawn
	}
	return some
}

// returnWaiting gives back what waits in the inbox.
func (s *Sidecar) returnWaiting(ctx context.Context) {
	var d delivery
	s.returnCarried(ctx, &d)
	for {
		select {
		case m := <-s.inbox:
			s.returnOne(ctx, &d, m)
		default:
			return
		}
	}
}

func (s *Sidecar) returnOne(ctx context.Context, d *delivery, m *nats.Msg) {
	switch src := s.sourceOf(m); {
	case src == nil:
	case m.Reply == "":
		src.status(m, time.Now())
	default:
		src.delivered(m, time.Now())
		s.handBack(ctx, d, src, m, 0)
	}
}
