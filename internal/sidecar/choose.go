package sidecar

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/stream"
)

// interestTimeout is how long the server may take to say what the function asks for. It answers at once or cannot be asked.
const interestTimeout = 2 * time.Second

// An event that is passed on rests for a second, and twice as long each time it meets a replica that does not know it.
const (
	minPassRest = time.Second
	maxPassRest = 30 * time.Second
)

// choose finds out whether the handler is to be called: events go by the triggers of this replica's manifest, and what comes from
// the function's own queue has been chosen before, but for events that were passed on.
//
// The consumer has the subjects of the newest manifest, which need not be this replica's. So an event may come on a subject that
// no trigger here asks for. Who wants it is asked of the server then: if the newest manifest does, the event is passed on, and if it
// does not, the event is one of a trigger that is gone.
func (s *Sidecar) choose(p *phases, d *delivery, src *source) (st settlement, decided bool) {
	if src.consumer.Work() {
		if d.passed == 0 {
			return settlement{}, false
		}
		if src = s.sourceOn(d.origin.Stream); src == nil {
			return s.stranger(p.records, d), true
		}
	}
	o := &d.origin
	if n := len(src.before); n > 0 && o.Sequence <= src.before[n-1].Sequence &&
		!stream.WantedThen(src.before, o.Subject, o.Sequence, o.Time) {
		return settlement{action: ackNoMatch}, true
	}
	takes, err := src.selector.Takes(o.Subject, &d.event)
	switch {
	case takes:
		return settlement{}, false
	case errors.Is(err, filter.ErrNoTrigger):
		return s.stranger(p.records, d), true
	case err != nil:
		s.metrics.filterErrors.Inc()
	}
	return settlement{action: ackNoMatch}, true
}

// sourceOn returns the event source of a stream, nil if no trigger here names it.
func (s *Sidecar) sourceOn(name string) *source {
	for _, src := range s.sources {
		if src.consumer.Stream == name && !src.consumer.Work() {
			return src
		}
	}
	return nil
}

// stranger decides on an event on a subject that no trigger here asks for. It is passed on by way of the function's own queue: a nak
// would count as a death, and thousands of them would fill what the consumer may have in flight while new replicas do not come up.
func (s *Sidecar) stranger(ctx context.Context, d *delivery) settlement {
	ctx, cancel := context.WithTimeout(ctx, interestTimeout)
	defer cancel()
	interest, err := stream.ReadInterest(ctx, s.js, s.key)
	if err == nil && !interest.Wants(d.origin.Stream, d.origin.Subject, d.origin.Sequence, d.origin.Time) {
		return settlement{action: ackNoMatch}
	}
	if err != nil {
		s.log.Debug("not known who wants an event", zap.String("subject", d.origin.Subject), zap.Error(err))
	}
	rest := min(minPassRest<<min(d.passed, 8), maxPassRest)
	return settlement{action: passOn, reason: "newer-manifest", text: "no trigger of this replica asks for " + d.origin.Subject, delay: rest}
}

// passedMessage is the same attempt, for another replica.
func (s *Sidecar) passedMessage(d *delivery, due time.Time) (*nats.Msg, error) {
	m, err := s.parkMessage(d, d.attempt, due)
	if err != nil {
		return nil, err
	}
	d.keepPassed(m, d.passed+1)
	return m, nil
}

// keepPassed notes on a message that no trigger has taken the event yet.
func (d *delivery) keepPassed(m *nats.Msg, times int) {
	if times > 0 {
		m.Header.Set(headerPassed, strconv.Itoa(times))
	}
}

// readEpochs learns what earlier manifests asked for: events that were stored before a subject was added are not for its trigger.
// The handler starts meanwhile. What it returns is closed when sources may be asked.
func (s *Sidecar) readEpochs(ctx context.Context) <-chan struct{} {
	known := make(chan struct{})
	go func() {
		defer close(known)
		ctx, cancel := context.WithTimeout(ctx, interestTimeout)
		defer cancel()
		interest, err := stream.ReadInterest(ctx, s.js, s.key)
		if err != nil {
			s.log.Debug("not known what earlier manifests asked for", zap.Error(err))
			return
		}
		for _, src := range s.sources {
			src.before = interest.Streams[src.consumer.Stream].Before
		}
	}()
	return known
}
