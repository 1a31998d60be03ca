package sidecar

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/ledger"
)

// MaxBatchBytes is how much the events of one call may have together, headers included, as they are stored. A larger event
// has a call of its own.
const MaxBatchBytes = 4 << 20

// gathering is the making of batches, one at a time: two workers that gathered would make two halves of one.
type gathering struct {
	turn  chan struct{} // one place, taken by the worker that gathers
	carry *nats.Msg     // did not fit into the last batch; belongs to who has the turn
}

// batchKey tells the events of one batch apart.
type batchKey struct{ source, id string }

// gather fills a batch. It waits for the first event without end, and for more until there are enough or the time is up. It
// is false when the sidecar drains before there is an event for the handler.
func (s *Sidecar) gather(p *phases, w *batchWorker) bool {
	g := &s.batches.gathering
	select {
	case g.turn <- struct{}{}:
	case <-p.intake.Done():
		return false
	}
	defer func() { <-g.turn }()
	w.reset()
	if m := g.carry; m != nil {
		g.carry = nil
		s.gatherOne(p, w, m)
	}
	for len(w.ready) == 0 && !s.full(w) {
		select {
		case m := <-s.inbox:
			s.gatherOne(p, w, m)
		case <-p.intake.Done():
			return false
		}
	}
	s.gatherMore(p, w)
	return true
}

// gatherMore takes what is there, and what comes until maxWait is over.
func (s *Sidecar) gatherMore(p *phases, w *batchWorker) {
	var late <-chan time.Time
	for !s.full(w) {
		select {
		case m := <-s.inbox:
			s.gatherOne(p, w, m)
			continue
		case <-p.intake.Done():
			return
		default:
		}
		if s.batches.maxWait <= 0 {
			return
		}
		if late == nil {
			timer := time.NewTimer(s.batches.maxWait)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case m := <-s.inbox:
			s.gatherOne(p, w, m)
		case <-late:
			return
		case <-p.intake.Done():
			return
		}
	}
}

// full reports whether nothing more fits: there are enough events, or one waits that has to be in another batch.
func (s *Sidecar) full(w *batchWorker) bool {
	return w.used == len(w.entries) || w.alone || s.batches.gathering.carry != nil
}

func (w *batchWorker) reset() {
	w.ready, w.used, w.bytes, w.alone = w.ready[:0], 0, 0, false
	clear(w.keys)
}

// gatherOne takes one message: into the batch, out of the way, or to be carried over to the next batch.
func (s *Sidecar) gatherOne(p *phases, w *batchWorker, m *nats.Msg) {
	now := time.Now()
	src := s.sourceOf(m)
	if src == nil {
		return
	}
	if m.Reply == "" {
		if src.status(m, now) {
			s.ask()
		}
		return
	}
	e := &w.entries[w.used]
	pass := s.draining.Load() || s.paused.Load()
	var st settlement
	decided := false
	if !pass {
		if st, decided = s.examine(p, &e.slot.d, src, m, now); !decided && !s.fits(w, &e.slot.d) {
			s.batches.gathering.carry = m
			return
		}
		pass = !s.admits(e.slot)
	}
	s.held.Add(1)
	src.delivered(m, now)
	switch {
	case pass:
		s.passBack(p, e, src, m)
	case decided && st.action == ackNoMatch:
		s.judge(p, e.slot, &st, false)
		s.settle(p.records, &e.slot.d, &st, &ledger.Run{Started: now})
		s.held.Add(-1)
	default:
		s.occupy(w, e, m, now)
		if decided {
			s.judge(p, e.slot, &st, false)
			w.early.Go(func() { s.settleEntry(p.records, e, &st) })
		} else {
			w.add(e, e.slot.probe || s.alone(&e.slot.d))
		}
	}
	s.ask()
}

// passBack hands back a message that cannot be given to the handler now.
func (s *Sidecar) passBack(p *phases, e *entry, src *source, m *nats.Msg) {
	delay := notReadyDelay
	if s.draining.Load() {
		delay = 0
	}
	s.handBack(p.records, &e.slot.d, src, m, delay)
	s.held.Add(-1)
}

// occupy makes an entry hold a message: from now on it is in work.
func (s *Sidecar) occupy(w *batchWorker, e *entry, m *nats.Msg, now time.Time) {
	w.used++
	e.run = ledger.Run{Started: now}
	e.slot.since.Store(now.UnixNano())
	e.slot.msg.Store(m)
	s.janitor.wake()
	s.metrics.inFlight.Inc()
}

// add puts an event into the batch.
func (w *batchWorker) add(e *entry, alone bool) {
	d := &e.slot.d
	w.ready, w.alone = append(w.ready, e), alone
	w.keys[batchKey{d.event.Source, d.event.ID}] = struct{}{}
	w.bytes += d.msg.Size()
}

// fits reports whether an event may be in the batch with those that are in it. A probe of an open circuit may not.
func (s *Sidecar) fits(w *batchWorker, d *delivery) bool {
	if len(w.ready) == 0 {
		return true
	}
	_, twice := w.keys[batchKey{d.event.Source, d.event.ID}]
	return !twice && !s.alone(d) && !s.circuit.open() && w.bytes+d.msg.Size() <= MaxBatchBytes
}

// alone reports whether an event is to have a call of its own. A batch that fails as a whole costs each of its events an
// attempt, and one that kills the sidecar a delivery; what would end in a dead letter must be the event's own doing.
func (s *Sidecar) alone(d *delivery) bool {
	return d.attempt >= s.fn.Spec.Retry.MaxAttempts || d.redeliveries() > maxHandBacks
}

// returnCarried gives back what was carried over, unless a worker gathers: that one will see to it.
func (s *Sidecar) returnCarried(ctx context.Context, d *delivery) {
	if s.batches == nil {
		return
	}
	g := &s.batches.gathering
	select {
	case g.turn <- struct{}{}:
		if g.carry != nil {
			s.returnOne(ctx, d, g.carry)
			g.carry = nil
		}
		<-g.turn
	default:
	}
}
