package sidecar

import (
	"context"
	"math/bits"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/event"
)

// How busy a replica is, is told for one end: that a scale-in takes those away first that have nothing to finish. A call
// shorter than lasting is finished sooner than Kubernetes ends a pod, so replicas with short calls tell nothing at all.
const (
	lasting    = time.Second      // what a call must have lasted to count
	busyRest   = time.Second      // between two words
	busyCalm   = 5 * time.Second  // how long fewer must have been in work before that is told
	busyRepeat = 30 * time.Second // for who was not there when it was told
)

// busyness tells on NATS how many calls of this replica last, as what is in work changes in steps that double. Nobody need
// listen: a message that nobody wants ends in the server, and costs less than asking first who does.
type busyness struct {
	lasting atomic.Int64  // calls; written by the janitor
	kick    chan struct{} // one place: the number has changed, or the replica leaves
	leaving atomic.Bool
}

func (b *busyness) see(n int64) {
	if b.lasting.Swap(n) != n {
		b.wake()
	}
}

func (b *busyness) leave() {
	b.leaving.Store(true)
	b.wake()
}

func (b *busyness) wake() {
	select {
	case b.kick <- struct{}{}:
	default: // one is there already
	}
}

// tellBusy runs until ctx ends, or until it has told that the replica leaves.
func (s *Sidecar) tellBusy(ctx context.Context, subject string) {
	var told said
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.busy.kick:
		case <-timer.C:
		}
		if s.busy.leaving.Load() {
			s.tell(subject, event.Leaving)
			return
		}
		now, n := time.Now(), s.busy.lasting.Load()
		if told.due(n, now) && s.tell(subject, strconv.FormatInt(n, 10)) {
			told = said{number: n, at: now}
		}
		if wait := told.wait(n, now); wait > 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
	}
}

// tell reports whether the word is on its way. While there is no connection it is not, and is told after the next rest.
func (s *Sidecar) tell(subject, text string) bool {
	err := s.nc.Publish(subject, []byte(text))
	if err != nil {
		s.log.Debug("busy calls not told", zap.Error(err))
	}
	return err == nil
}

// said is the last word. The zero value has said nothing, which stands for 0.
type said struct {
	number int64
	at     time.Time
	less   time.Time // since when fewer are in work
}

// due reports whether the number is to be told now, and notes since when it is less.
func (s *said) due(n int64, now time.Time) bool {
	step, before := bits.Len64(uint64(n)), bits.Len64(uint64(s.number))
	if step >= before {
		s.less = time.Time{}
	} else if s.less.IsZero() {
		s.less = now
	}
	rested := now.Sub(s.at) >= busyRest
	switch {
	case step > before:
		return rested
	case step < before:
		return rested && now.Sub(s.less) >= busyCalm
	}
	return !s.at.IsZero() && now.Sub(s.at) >= busyRepeat
}

// wait is how long nothing is due unless the number changes, 0 for ever.
func (s *said) wait(n int64, now time.Time) time.Duration {
	step, before := bits.Len64(uint64(n)), bits.Len64(uint64(s.number))
	switch {
	case step > before:
		return max(s.at.Add(busyRest).Sub(now), busyRest/10)
	case step < before:
		return max(s.less.Add(busyCalm).Sub(now), busyRest/10)
	case s.at.IsZero():
		return 0
	}
	return max(s.at.Add(busyRepeat).Sub(now), busyRest/10)
}

// countLasting counts the calls that have lasted.
func (s *Sidecar) countLasting(now time.Time) (n int64) {
	for i := range s.slots {
		if s.slots[i].msg.Load() != nil && now.Sub(time.Unix(0, s.slots[i].since.Load())) >= lasting {
			n++
		}
	}
	return n
}
