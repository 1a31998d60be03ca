package sidecar

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/claim"
	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// claimed is the claim of an event to a body that is kept beside the queue.
type claimed struct {
	ref claim.Ref
	err error // it cannot be read
}

// unreadableDelay is how long an event rests whose body could not be read: as long as one whose handler does not listen.
const unreadableDelay = notReadyDelay

func readClaim(h nats.Header) *claimed {
	line := h[event.HeaderBody]
	if len(line) == 0 {
		return nil
	}
	ref, err := claim.Parse(line[0])
	return &claimed{ref, err}
}

// refuseClaim decides on a claim that cannot be met, whatever is tried. It may have been made for another manifest.
func (s *Sidecar) refuseClaim(d *delivery) (settlement, bool) {
	switch {
	case d.claim.err != nil:
		return settlement{action: bury, reason: deadletter.ReasonUndecodable, text: d.claim.err.Error(), early: true}, true
	case !s.fn.Spec.TakesLargeBodies():
		text := "its body is too large for memory, and the function has a batch, an order, or protocol stream now"
		return settlement{action: bury, reason: deadletter.ReasonTooLarge, text: text, early: true}, true
	}
	return settlement{}, false
}

// openClaim gives the call its body. The handler is told nothing of one that is not there.
func (s *Sidecar) openClaim(p *phases, sl *slot) (st settlement, failed bool) {
	body := claim.Of(s.js, s.key, sl.d.claim.ref)
	ctx, cancel := context.WithDeadline(p.calls, sl.call.Deadline)
	defer cancel()
	if err := body.Check(ctx); err != nil {
		body.Close(p.records)
		st = unreadable(&invoke.Error{Code: invoke.CodeBody, Err: err})
		st.early = true
		return st, true
	}
	sl.call.Body = body
	return settlement{}, false
}

// closeClaim ends the reading of a call's body.
func closeClaim(ctx context.Context, call *invoke.Call) {
	if body, ok := call.Body.(*claim.Body); ok {
		body.Close(ctx)
	}
}

// unreadable is for a body that could not be read to its end. If it is lost no other attempt helps; else the server was not to be
// reached, which is no attempt of the event: nobody has seen it as a whole.
func unreadable(err *invoke.Error) settlement {
	if errors.Is(err, claim.ErrLost) {
		return settlement{action: bury, reason: deadletter.ReasonBodyLost, text: err.Err.Error()}
	}
	return settlement{action: handBack, reason: err.Code, text: err.Err.Error(), delay: unreadableDelay}
}

// endClaim acknowledges an event that has a body elsewhere, and removes that if no other message has the claim now. The
// acknowledgement comes first, and is known to have arrived: an event that is delivered once more must find its body.
func (s *Sidecar) endClaim(ctx context.Context, d *delivery, st *settlement) {
	if st.action == park || st.action == passOn || st.action == bury || st.action == overtaken {
		s.acker.ack(d.msg.Reply, time.Now())
		return
	}
	acking, cancel := context.WithTimeout(ctx, writeTimeout)
	_, err := s.nc.RequestWithContext(acking, d.msg.Reply, ackBody)
	cancel()
	if err != nil {
		s.acker.ack(d.msg.Reply, time.Now())
		s.log.Warn("large body left to the janitor, its event is not known to be acknowledged", zap.String("event_id", d.event.ID), zap.Error(err))
		return
	}
	if d.mayHaveCopies() {
		err = claim.Settle(ctx, s.js, s.key, d.claim.ref)
	}
	if err == nil {
		err = claim.Remove(ctx, s.js, s.key, d.claim.ref)
	}
	if err != nil {
		s.log.Warn("large body left to the janitor, it could not be removed", zap.String("event_id", d.event.ID), zap.Error(err))
	}
}
