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

// The server may take interestTimeout to say what the function asks for. Before anything is pulled, it is asked again a few times.
const (
	interestTimeout = 2 * time.Second
	interestTries   = 3
	interestRest    = 100 * time.Millisecond
)

// An event that is passed on rests for a second. While old replicas are half of all, it meets a new one after a few passes; after
// manyPasses the new ones seem not to come up, and it rests twice as long each time.
const (
	minPassRest = time.Second
	maxPassRest = 30 * time.Second
	manyPasses  = 4
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
		if !src.wanted(&d.origin) {
			return settlement{action: ackNoMatch}, true
		}
	}
	takes, err := src.selector.Takes(d.origin.Subject, &d.event)
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

// wanted reports whether the manifest of when an event was stored asked for it. What nobody had asked for is no dead letter either.
func (s *source) wanted(o *origin) bool {
	before := s.before.Load()
	return before == nil || stream.WantedThen(*before, o.Subject, o.Sequence, o.Time)
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
	rest := min(minPassRest<<min(max(0, d.passed-manyPasses), 8), maxPassRest)
	text := "no trigger of this replica asks for " + d.origin.Subject
	return settlement{action: passOn, reason: "newer-manifest", text: text, delay: rest}
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

// readEpochs learns what earlier manifests asked for, while the handler starts: events that were stored before a subject was added
// are not for its trigger. What it returns is closed when messages may be asked for: once that is known, or the server has had its
// chance to tell. Without a connection there is nothing to be asked for either.
func (s *Sidecar) readEpochs(ctx context.Context) <-chan struct{} {
	known := make(chan struct{})
	go func() {
		defer close(known)
		err := s.tryEpochs(ctx)
		for tries := 0; err != nil && tries < interestTries && ctx.Err() == nil; err = s.tryEpochs(ctx) {
			if s.nc.IsConnected() {
				tries++
			}
			select {
			case <-ctx.Done():
			case <-time.After(interestRest):
			}
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("not known what earlier manifests asked for, older events of a subject that was added may come", zap.Error(err))
		}
	}()
	return known
}

func (s *Sidecar) tryEpochs(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, interestTimeout)
	defer cancel()
	interest, err := stream.ReadInterest(ctx, s.js, s.key)
	if err != nil {
		return err
	}
	for _, src := range s.sources {
		before := interest.Streams[src.consumer.Stream].Before
		src.before.Store(&before)
	}
	return nil
}
