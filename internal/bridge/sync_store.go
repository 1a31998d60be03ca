package bridge

import (
	"context"
	"errors"
	"net/http"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// storeCall puts a call into its queue and returns its sequence there. Whether that has worked may stay unknown: the caller goes, or the
// stream is silent for too long. Nobody can send such a call again under the same id, as an event can be; so it is found out later
// what became of it, and what was stored is taken back.
func (s *Server) storeCall(ctx context.Context, r *http.Request, m *nats.Msg) (uint64, *problem) {
	waiting, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout)
	defer cancel()
	sub, err := s.work.enqueue(waiting, []*nats.Msg{m})
	if err == nil {
		var acks []Ack
		if acks, err = s.work.await(waiting, sub); err == nil {
			s.metrics.stored(acks)
			unload(ctx)
			return acks[0].Sequence, nil
		}
		if isUnknown(err) {
			s.running.Go(func() { s.takeBack(context.WithoutCancel(ctx), sub) })
		}
	}
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // there is nobody to answer
	case ctx.Err() != nil:
		return 0, kindNoAnswer.refuse("The time was over before the request was known to be stored. If the function has not begun yet, " +
			"it will not.").because(err)
	case errors.Is(err, errUnsent):
		return 0, kindStoreTimeout.refuse("The request was not stored, and will not be. Send it again later.").because(err).retryLater()
	case !isUnknown(err):
		return 0, refuseStore(err)
	}
	return 0, kindStoreTimeout.refuse("It is not known whether the request was stored. If it was, it is taken back unless the function " +
		"has begun already: ask again only if it does no harm to do it twice.").because(err).retryLater()
}

// isUnknown reports whether something may have been stored in spite of err.
func isUnknown(err error) bool {
	return !refused(err) && !errors.Is(err, errUnsent) && !errors.Is(err, ErrStopped) && !errors.Is(err, nats.ErrNoResponders) &&
		!errors.Is(err, nats.ErrReconnectBufExceeded) && !errors.Is(err, nats.ErrMaxPayload)
}

// takeBack withdraws a call once it is known to be stored. Where its acknowledgement does not come in the time of its commit, the
// stream is asked once more. After that the call expires where it is, when its caller's time is over.
func (s *Server) takeBack(ctx context.Context, sub *submission) {
	acks, err := s.work.await(ctx, sub) // for as long as the commit takes
	if err != nil && isUnknown(err) {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout)
		defer cancel()
		acks, err = s.work.find(ctx, sub.msgs)
	}
	if err != nil {
		s.log.Debug("call not taken back", zap.Error(err))
		return
	}
	for _, ack := range acks {
		s.withdraw(ack.Sequence)
	}
}
