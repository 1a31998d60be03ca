package sidecar

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/order"
	"github.com/pelton-dev/pelton/internal/stream"
)

// ordered is what a function with an order per key has in place of sources that ask for themselves: package order decides which
// replica is given which event and when, and this file makes the call and settles.
type ordered struct {
	*order.Replica
	key      *filter.Key
	keys     order.Keys
	finished chan struct{} // closed when no call runs any more
	phases   *phases       // set before the first event comes
}

func (o *ordered) run(p *phases) {
	o.phases = p
	o.Run(p.intake, o.finished)
}

// addOrder makes the replica take part in its function's order, if that has one.
func (s *Sidecar) addOrder(consumers []stream.Consumer) error {
	if s.fn.Spec.Ordering == nil {
		return nil
	}
	key, err := filter.CompileKey(s.fn.Spec.Ordering.Key)
	if err != nil {
		return fmt.Errorf("spec.ordering.key: %w", err)
	}
	r, err := order.New(order.Config{
		Function: s.fn, Consumers: consumers, Conn: s.nc, Name: s.cfg.Replica, Slots: len(s.slots), AckWait: s.cfg.AckWait,
		Arrived: s.arrived, Logger: s.log,
	})
	if err != nil {
		return err
	}
	s.ordered = &ordered{Replica: r, key: key, keys: order.NewKeys(s.fn.Spec.Ordering.Key), finished: make(chan struct{})}
	return nil
}

// Waiting is how many calls more could be made now, by any replica, of a function with an order that this one leads. What
// waits behind others of its key is not in it; but it is at least one while anything waits that nobody works on.
func (s *Sidecar) Waiting() int {
	if s.ordered == nil {
		return 0
	}
	return s.ordered.Waiting()
}

// offer says how many calls may be granted to us.
func (s *Sidecar) offer(slots int) {
	if s.ordered != nil {
		s.ordered.Offer(slots)
	}
}

// arrived looks at an event before it takes its place in the order. One that the trigger's filter does not want has none.
func (s *Sidecar) arrived(source int, m *nats.Msg) *order.Event {
	src, now := s.sources[source], time.Now()
	var d delivery
	if err := d.read(m, src.consumer); err != nil {
		return &order.Event{Key: s.ordered.keys.None(), Attempt: d.attempt, Local: true}
	}
	if st, decided := s.examineRead(s.ordered.phases, &d, src, nil, now); decided && st.action == ackNoMatch {
		s.acker.ack(m.Reply, now)
		s.record(&d, &st, &ledger.Run{Started: now})
		return nil
	}
	e := &order.Event{Key: s.ordered.keys.None(), Attempt: d.attempt}
	if key, err := s.ordered.key.Of(&d.event); err == nil {
		e.Key = s.ordered.keys.Of(key)
	} else {
		s.log.Debug("event has no key, it is in order with those that have none", zap.String("event_id", d.event.ID), zap.Error(err))
	}
	return e
}

// workInOrder makes the calls that are granted until the sidecar drains.
func (s *Sidecar) workInOrder(p *phases, sl *slot) {
	defer s.workers.Done()
	for {
		select {
		case c := <-s.ordered.Calls():
			s.held.Add(1)
			c.End(s.callInOrder(p, sl, c))
			s.held.Add(-1)
		case <-p.intake.Done():
			return
		}
	}
}

// callInOrder takes a granted event to its settlement, or says when it is to be tried again.
func (s *Sidecar) callInOrder(p *phases, sl *slot, c *order.Call) (end string, delay time.Duration) {
	src, now := s.sources[c.Source], time.Now()
	sl.since.Store(now.UnixNano())
	sl.msg.Store(c.Msg)
	s.janitor.wake()
	s.metrics.inFlight.Inc()
	defer func() {
		s.metrics.inFlight.Dec()
		sl.msg.Store(nil)
	}()
	d := &sl.d
	unread := d.read(c.Msg, src.consumer)
	// All that waits is delivered again to each new leader, so the server's count says nothing.
	d.attempt, d.deliveries, d.epoch = c.Attempt, 1+c.Lost, c.Epoch
	run := ledger.Run{Started: now}
	st, decided := s.examineRead(p, d, src, unread, now)
	if !decided {
		calls, cancel := context.WithCancel(p.calls)
		defer cancel()
		defer context.AfterFunc(c.Context(), cancel)()
		if !c.May() {
			return order.Back, 0
		}
		st = s.invoke(&phases{intake: p.intake, calls: calls, records: p.records}, sl, now)
		run.Duration = time.Since(now)
		s.measure(run.Duration, st.action)
	}
	return s.settleInOrder(p.records, d, &st, &run)
}

// settleInOrder records an outcome; who leads acknowledges. A retry is not parked: it holds up its key.
func (s *Sidecar) settleInOrder(ctx context.Context, d *delivery, st *settlement, run *ledger.Run) (string, time.Duration) {
	err := s.store(ctx, d, st, run)
	if err == nil && d.asked != nil {
		err = s.keepResult(ctx, d, st, run.Next)
	}
	switch {
	case isTooLarge(err):
		s.log.Error("outcome is too large to be recorded anywhere, the event is kept in place",
			zap.String("event_id", d.event.ID), zap.Error(err))
		return order.Back, tooLargeDelay
	case err != nil:
		s.log.Error("outcome not recorded, the event will be delivered again", zap.String("event_id", d.event.ID), zap.Error(err))
		return order.Back, 0
	}
	defer s.record(d, st, run)
	switch st.action {
	case handBack:
		s.metrics.returned.Inc()
		return order.Back, st.delay
	case passOn: // another replica has the manifest that it is for
		return order.Back, st.delay
	case park:
		run.Next = time.Now().Add(st.delay)
		return order.Again, st.delay
	}
	return order.Settled, 0
}
