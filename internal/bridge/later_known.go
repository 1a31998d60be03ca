package bridge

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/result"
)

// markTimeout bounds what is done about the record of a call that is stored already.
const markTimeout = time.Second

// A server of a cluster may be behind the others by a moment. What it does not know, it is asked again after each of these times.
var unknownRests = [...]time.Duration{150 * time.Millisecond, 450 * time.Millisecond}

// known is what is known of a call when it is made.
type known struct {
	result.Record
	fresh    bool   // nothing was known before
	sequence uint64 // of the record that says so, 0 if there is none
}

// storeFirst stores the record with which a call begins, and returns what is known of it: of one with an Idempotency-Key that may be more.
func (s *Server) storeFirst(ctx context.Context, one promised) (known, *problem) {
	first := known{Record: result.Record{Call: one.call, State: result.Queued, At: one.call.Created}, fresh: true}
	m, err := result.First(one.id, first.Record)
	if err != nil {
		return first, kindInternal.refuse("The request was not carried out.").because(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout)
	defer cancel()
	acks, err := s.results.Submit(ctx, m)
	if err == nil && !acks[0].Duplicate {
		first.sequence = acks[0].Sequence
		return first, nil
	}
	if !one.keyed || err != nil && !result.Exists(err) {
		return first, refuseFirst(err)
	}
	last, err := s.readKnown(ctx, one.id, func(result.Record) bool { return true })
	if errors.Is(err, result.ErrNotFound) {
		return first, nil
	}
	return known{Record: last}, refuseFirst(err)
}

// readKnown reads the record of a call, if want takes it. Of one that is another's it takes as long to find out as of one that is not
// there.
func (s *Server) readKnown(ctx context.Context, id result.ID, want func(result.Record) bool) (result.Record, error) {
	for try := 0; ; try++ {
		record, _, err := result.Read(ctx, s.conn, id)
		if err == nil && want(record) || err != nil && !errors.Is(err, result.ErrNotFound) {
			return record, err
		}
		if try == len(unknownRests) {
			return result.Record{}, result.ErrNotFound
		}
		select {
		case <-ctx.Done():
			return result.Record{}, ctx.Err()
		case <-time.After(unknownRests[try]):
		}
	}
}

// isKnown notes that a call with a key is in its queue, so that it is not put there again when the stream knows its id no more. It
// reports false if what is there is not this call but an event of the same key whose caller did not ask for an answer, or of which
// nothing is known any more: nobody will ever say what becomes of that.
func (s *Server) isKnown(ctx context.Context, one promised, k known, ack Ack) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTimeout)
	defer cancel()
	var err error
	if ack.Duplicate && k.fresh {
		var others bool
		if k.sequence > 0 {
			others, err = result.Forget(ctx, s.js, one.id, k.Record, k.sequence)
		}
		if !others {
			s.logKept(one, err)
			return false
		}
	}
	s.logKept(one, result.MarkStored(ctx, s.js, one.id, k.Record))
	return true
}

func (s *Server) logKept(one promised, err error) {
	if err != nil {
		s.log.Debug("record of a call not changed", zap.Stringer("invocation", one.id), zap.Error(err))
	}
}
