package sidecar

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/ledger"
)

// slot is one event in work. Its worker writes it; the janitor reads msg and since.
type slot struct {
	msg   atomic.Pointer[nats.Msg] // nil while the slot is free
	since atomic.Int64             // unix nanoseconds

	d    delivery    // the worker's own, used again for each message
	call invoke.Call // the same

	probe bool // the worker's: the circuit is open, and this event shows whether it can be closed
}

// work takes messages until the sidecar drains.
func (s *Sidecar) work(p *phases, sl *slot) {
	defer s.workers.Done()
	for {
		select { // one channel alone costs a third of two, and in a backlog there is always a message
		case m := <-s.inbox:
			s.take(p, sl, m)
			continue
		default:
		}
		select {
		case m := <-s.inbox:
			s.take(p, sl, m)
		case <-p.intake.Done():
			return
		}
	}
}

func (s *Sidecar) take(p *phases, sl *slot, m *nats.Msg) {
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
	s.held.Add(1)
	src.delivered(m, now)
	switch {
	case s.draining.Load():
		s.handBack(p.records, &sl.d, src, m, 0)
	case s.paused.Load() || !s.admits(sl):
		s.handBack(p.records, &sl.d, src, m, notReadyDelay)
	default:
		s.deliver(p, sl, src, m, now)
	}
	s.held.Add(-1)
	s.ask()
}

// sourceOf returns whose message it is, nil for what concerns requests that were taken back.
func (s *Sidecar) sourceOf(m *nats.Msg) *source {
	for _, src := range s.sources {
		if src.owns(m) {
			return src
		}
	}
	return nil
}

// deliver takes one message from its decoding to its acknowledgement.
func (s *Sidecar) deliver(p *phases, sl *slot, src *source, m *nats.Msg, now time.Time) {
	sl.since.Store(now.UnixNano())
	sl.msg.Store(m)
	s.janitor.wake()
	s.metrics.inFlight.Inc()
	d := &sl.d
	run := ledger.Run{Started: now}
	st, decided := s.examine(p, d, src, m, now)
	if !decided {
		if plantable && planted(bugAckFirst) {
			s.acker.ack(m.Reply, now)
		}
		st = s.invoke(p, sl, now)
		if d.claim != nil {
			s.overtake(p.records, d, &st)
		}
		plantedDeath(deathAfterHandler)
		run.Duration = time.Since(now)
		s.measure(run.Duration, st.action)
	}
	run.Rests = s.judge(p, sl, &st, !decided)
	s.settle(p.records, d, &st, &run)
	s.metrics.inFlight.Dec()
	sl.msg.Store(nil)
}

// examine decides without the handler where it can: what is no event, what crashes whoever touches it, what is too old, and
// what no trigger takes. Otherwise the handler is asked.
func (s *Sidecar) examine(p *phases, d *delivery, src *source, m *nats.Msg, now time.Time) (st settlement, decided bool) {
	return s.examineRead(p, d, src, d.read(m, src.consumer), now)
}

// examineRead is examine for a message that has been read, with err.
func (s *Sidecar) examineRead(p *phases, d *delivery, src *source, err error, now time.Time) (st settlement, decided bool) {
	if m := d.msg; errors.Is(err, errNotDelivery) {
		s.log.Error("message is not a delivery, it is left alone", zap.String("subject", m.Subject), zap.String("reply", m.Reply))
		return settlement{action: handBack, reason: "not-a-delivery", text: err.Error(), delay: notReadyDelay}, true
	}
	if !src.consumer.Work() && !src.wanted(&d.origin) {
		return settlement{action: ackNoMatch}, true
	}
	if err != nil {
		return settlement{action: bury, reason: deadletter.ReasonUndecodable, text: err.Error(), early: true}, true
	}
	if st, late := d.asked.late(now); late {
		return st, true
	}
	if d.claim != nil {
		if st, refused := s.refuseClaim(d); refused {
			return st, true
		}
	}
	if n := d.redeliveries(); n > s.cfg.MaxRedeliveries {
		return settlement{
			action: bury, reason: deadletter.ReasonCrashLoop,
			text: "delivered again and again without a settlement; the handler or its host may die of it",
		}, true
	}
	if expired(d.origin.Time, now, s.fn.Spec.Retry) {
		text := "older than maxAge " + s.fn.Spec.Retry.MaxAge.String()
		return settlement{action: bury, reason: deadletter.ReasonExpired, text: text, early: true}, true
	}
	return s.choose(p, d, src)
}

func (s *Sidecar) invoke(p *phases, sl *slot, now time.Time) settlement {
	d := &sl.d
	sl.call = invoke.Call{
		Event: &d.event, Function: s.fullName, Attempt: d.attempt, Redeliveries: d.redeliveries(), Deadline: now.Add(s.timeout),
		Epoch: d.epoch,
	}
	if d.claim != nil {
		if st, failed := s.openClaim(p, sl); failed {
			return st
		}
		defer closeClaim(p.records, &sl.call)
	}
	if d.asked != nil {
		return s.invokeAsked(p, sl)
	}
	outcome, err := s.inv.Invoke(p.calls, &sl.call)
	return s.came(p, d, outcome, err)
}

// came decides what an invocation came to.
func (s *Sidecar) came(p *phases, d *delivery, outcome invoke.Outcome, err error) settlement {
	if err != nil && errors.Is(err, invoke.ErrNotReady) {
		s.pause(p)
	}
	facts := attemptFacts{attempt: d.attempt, stored: d.origin.Time, now: time.Now(), timeout: s.timeout}
	if d.asked != nil && d.asked.short > 0 {
		facts.timeout, facts.caller = d.asked.short, true
	}
	return plantedOutcome(decide(outcome, err, facts, s.fn.Spec.Retry, rand.Float64()))
}

// settle records the outcome and then acknowledges. When the record cannot be written before the sidecar has to go, the
// message is left to be delivered again.
func (s *Sidecar) settle(ctx context.Context, d *delivery, st *settlement, run *ledger.Run) {
	err := s.store(ctx, d, st, run)
	if err == nil && d.asked != nil {
		err = s.keepResult(ctx, d, st, run.Next)
	}
	if isTooLarge(err) {
		s.log.Error("outcome is too large to be recorded anywhere, the event is kept in place",
			zap.String("event_id", d.event.ID), zap.Error(err))
		s.giveBack(d.msg, tooLargeDelay)
		return
	}
	if err != nil {
		s.log.Error("outcome not recorded, the event will be delivered again", zap.String("event_id", d.event.ID), zap.Error(err))
		return
	}
	if plantable && st.action != handBack {
		plantedDeath(deathAfterRecord)
	}
	switch {
	case st.action == handBack:
		s.returned(ctx, d, st.delay)
	case d.claim != nil:
		s.endClaim(ctx, d, st)
	default:
		s.acker.ack(d.msg.Reply, time.Now())
	}
	s.record(d, st, run)
}

// store writes what must be stored before the message may be acknowledged.
func (s *Sidecar) store(ctx context.Context, d *delivery, st *settlement, run *ledger.Run) error {
	if d.asked != nil {
		s.tellCaller(d, st)
	}
	if (st.action == park || st.action == passOn) && s.ordered != nil {
		return nil // it waits in its place
	}
	if st.action == park || st.action == passOn {
		return s.storePark(ctx, d, st, run)
	}
	switch {
	case st.action == bury:
		return s.keepTrying(ctx, "dead letter",
			func(try context.Context) error { return s.publishDead(try, d, st) })
	case st.action == ackDone && st.reply != nil && s.fn.Spec.Reply != nil:
		return s.storeReply(ctx, d, st, run)
	}
	return nil
}

// storeReply takes a reply that no stream could hold for an answer over the limit: the attempt has failed.
func (s *Sidecar) storeReply(ctx context.Context, d *delivery, st *settlement, run *ledger.Run) error {
	err := s.keepTrying(ctx, "reply", func(try context.Context) error { return s.publishReply(try, d, st.reply) })
	if !isTooLarge(err) {
		return err
	}
	facts := attemptFacts{attempt: d.attempt, stored: d.origin.Time, now: time.Now()}
	*st = again(invoke.CodeResponseTooLarge, "the reply cannot be stored: "+err.Error(), 0, facts, s.fn.Spec.Retry,
		rand.Float64())
	return s.store(ctx, d, st, run)
}

func (s *Sidecar) storePark(ctx context.Context, d *delivery, st *settlement, run *ledger.Run) error {
	due := time.Now().Add(st.delay)
	m, err := s.parkMessage(d, d.attempt+1, due)
	if st.action == passOn {
		m, err = s.passedMessage(d, due)
	}
	if err != nil {
		return err
	}
	if s.parkable(st, m); st.action != park && st.action != passOn {
		return s.store(ctx, d, st, run)
	}
	run.Next = due
	if plantable && planted(bugParkDropped) {
		return nil
	}
	return s.keepTrying(ctx, "retry", func(try context.Context) error {
		_, err := s.js.PublishMsg(try, m)
		return err
	})
}

// measure folds the time of one call into the smoothed service time. Losing an update to a concurrent one does no harm.
func (s *Sidecar) measure(d time.Duration, a action) {
	if a == handBack {
		return
	}
	old := s.service.Load()
	if old == 0 {
		s.service.Store(max(1, int64(d)))
		return
	}
	s.service.Store(max(1, old+(int64(d)-old)/8))
}

func (s *Sidecar) record(d *delivery, st *settlement, run *ledger.Run) {
	run.Namespace, run.Function, run.Replica = s.key.Namespace, s.key.Name, s.cfg.Replica
	run.EventID, run.EventSource, run.EventType = d.event.ID, d.event.Source, d.event.Type
	run.Stream, run.Sequence = d.stream, d.sequence
	run.Attempt, run.MaxAttempts = d.attempt, s.fn.Spec.Retry.MaxAttempts
	run.Reason, run.Error = st.reason, st.text
	if wait := run.Started.Sub(d.due()); wait > 0 {
		run.Wait = wait
		if !s.cfg.StartedAt.IsZero() && d.due().Before(s.readyAt) {
			run.Cold = min(wait, s.readyAt.Sub(s.cfg.StartedAt))
		}
	}
	switch st.action {
	case ackDone:
		run.Outcome = ledger.OutcomeDone
		s.metrics.done.Inc()
	case park:
		run.Outcome = ledger.OutcomeRetry
		s.metrics.retry.Inc()
	case bury:
		run.Outcome = ledger.OutcomeDead
		s.metrics.dead.Inc()
	case giveUp:
		run.Outcome = ledger.OutcomeFailed
		s.metrics.failed.Inc()
	case ackNoMatch:
		run.Outcome = ledger.OutcomeFiltered
		s.metrics.filtered.Inc()
	case passOn:
		run.Outcome = ledger.OutcomeReturned
		s.metrics.returned.Inc()
	case handBack, overtaken:
		run.Outcome = ledger.OutcomeReturned
	}
	s.metrics.wait.Observe(run.Wait.Seconds())
	s.metrics.duration.Observe(run.Duration.Seconds())
	s.cfg.Recorder.Record(*run)
}
