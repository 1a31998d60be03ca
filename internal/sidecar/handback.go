package sidecar

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// maxHandBacks is how often a message goes back by a nak. The server counts a nak like a death of the one who held the
// message, and too many deaths make a crash loop; so a message that has come back that often is parked at the same attempt
// instead, and its count begins anew. One that kills whoever touches it never gets here.
const maxHandBacks = 8

// tooLargeDelay is how long an event rests of which no outcome can be stored.
const tooLargeDelay = time.Minute

// handBack returns a message that the handler has not seen.
func (s *Sidecar) handBack(ctx context.Context, d *delivery, src *source, m *nats.Msg, delay time.Duration) {
	if err := d.read(m, src.consumer); err != nil {
		s.giveBack(m, delay) // whoever gets it next will see what is wrong with it
		s.metrics.returned.Inc()
		return
	}
	s.returned(ctx, d, delay)
}

// returned returns what d holds.
func (s *Sidecar) returned(ctx context.Context, d *delivery, delay time.Duration) {
	s.metrics.returned.Inc()
	if plantable && planted(bugDrainForgets) && s.draining.Load() {
		s.acker.ack(d.msg.Reply, time.Now())
		return
	}
	if d.redeliveries() < maxHandBacks {
		s.giveBack(d.msg, delay)
		return
	}
	if err := s.parkSame(ctx, d, delay); err != nil {
		s.log.Debug("returned message not parked", zap.Error(err))
		s.giveBack(d.msg, delay)
		return
	}
	s.acker.ack(d.msg.Reply, time.Now())
}

// parkSame stores the same attempt to be due again after delay.
func (s *Sidecar) parkSame(ctx context.Context, d *delivery, delay time.Duration) error {
	m, err := s.parkMessage(d, d.attempt, time.Now().Add(delay))
	if err != nil {
		return err
	}
	d.keepPassed(m, d.passed)
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	_, err = s.js.PublishMsg(ctx, m)
	return err
}
