package streamcall

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

// waiting is one caller and what it needs, kept for its next call. Whoever takes it out of session.calls answers it, once.
type waiting struct {
	answer chan reply  // room for one
	timer  *time.Timer // stopped between calls
	start  uint64      // where the call's frame stands on the connection
}

// reply is what a call came to: the handler's Result, or why there is none.
type reply struct {
	result streamwire.Result
	batch  *streamwire.BatchResult // of a batch
	err    error
}

// outgoing is what is sent: a call, or a batch.
type outgoing struct {
	call  streamwire.Call
	batch *streamwire.Batch
}

func (o *outgoing) setID(id uint64) {
	if o.batch != nil {
		o.batch.ID = id
	} else {
		o.call.ID = id
	}
}

func (o *outgoing) append(b []byte) []byte {
	if o.batch != nil {
		return streamwire.AppendBatch(b, o.batch)
	}
	return streamwire.AppendCall(b, &o.call)
}

func newWaiting() *waiting {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &waiting{answer: make(chan reply, 1), timer: t}
}

// invoke makes one call. When it returns, w is free for another.
func (s *session) invoke(ctx context.Context, call *invoke.Call, w *waiting) (invoke.Outcome, error) {
	if name := notUTF8(call.Event); name != "" {
		// One such frame would end the connection, and with it every other call.
		return invoke.Outcome{Kind: invoke.Reject, Reason: "event attribute " + name + " is not UTF-8"}, nil
	}
	out := outgoing{call: streamwire.Call{
		Event: call.Event, Attempt: uint32(call.Attempt), Redeliveries: uint32(call.Redeliveries), Epoch: call.Epoch,
	}}
	if !call.Deadline.IsZero() {
		out.call.Deadline = call.Deadline.UnixNano()
	}
	r := s.exchange(ctx, call.Deadline, &out, w)
	if r.err != nil {
		return invoke.Outcome{}, r.err
	}
	return outcomeOf(&r.result)
}

// exchange sends a call or a batch and waits for what it comes to.
func (s *session) exchange(ctx context.Context, until time.Time, out *outgoing, w *waiting) reply {
	var deadline <-chan time.Time
	if !until.IsZero() {
		w.timer.Reset(time.Until(until))
		defer w.timer.Stop()
		deadline = w.timer.C
	}
	id, err := s.start(ctx, deadline, out, w)
	if err != nil {
		return reply{err: err}
	}
	return s.wait(ctx, deadline, id, w)
}

// start sends the call, after waiting for room if the handler does not read. Its errors wrap ErrNotReady.
func (s *session) start(ctx context.Context, deadline <-chan time.Time, out *outgoing, w *waiting) (uint64, error) {
	for {
		id, err := s.tryStart(out, w)
		if !errors.Is(err, streamwire.ErrFull) {
			return id, err
		}
		select {
		case <-s.w.Space():
		case <-deadline:
			return 0, invoke.NotReady(streamwire.ErrFull)
		case <-ctx.Done():
			return 0, invoke.NotReady(ctx.Err())
		}
	}
}

func (s *session) tryStart(out *outgoing, w *waiting) (uint64, error) {
	s.mu.Lock()
	if s.stopped != nil {
		defer s.mu.Unlock()
		return 0, invoke.NotReady(s.stopped)
	}
	id := s.lastID + 1
	out.setID(id)
	place, err := s.w.Append(out.append)
	if err != nil {
		s.mu.Unlock()
		return 0, invoke.NotReady(err)
	}
	s.lastID = id
	w.start = place.Start
	s.calls[id] = w
	others := len(s.calls) > 1
	s.mu.Unlock()
	if place.Flush {
		s.w.Flush(others)
	}
	return id, nil
}

// wait returns the answer, or gives the call up.
func (s *session) wait(ctx context.Context, deadline <-chan time.Time, id uint64, w *waiting) reply {
	var gaveUp *invoke.Error
	select {
	case r := <-w.answer:
		return r
	case <-deadline:
		gaveUp = &invoke.Error{Code: invoke.CodeTimeout, Err: context.DeadlineExceeded}
	case <-ctx.Done():
		gaveUp = invoke.Interrupted(ctx)
	}
	if s.take(id) == nil {
		return <-w.answer // it came at the same moment
	}
	s.send(func(b []byte) []byte { return streamwire.AppendCancel(b, &streamwire.Cancel{ID: id}) })
	return reply{err: gaveUp}
}

// take removes a running call; nil if someone else did.
func (s *session) take(id uint64) *waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.calls[id]
	delete(s.calls, id)
	return w
}

// answer gives a reply to its call, if it still runs.
func (s *session) answer(id uint64, r reply) {
	if w := s.take(id); w != nil {
		w.answer <- r
	}
}

// outcomeOf turns a Result into an outcome.
func outcomeOf(r *streamwire.Result) (invoke.Outcome, error) {
	switch r.Outcome {
	case streamwire.OutcomeDone:
		if err := checkReply(r.Reply); err != nil {
			return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeBadResponse, Err: err}
		}
		return invoke.Outcome{Kind: invoke.Done, Reply: r.Reply}, nil
	case streamwire.OutcomeRetry:
		after := time.Duration(max(0, r.RetryAfter))
		return invoke.Outcome{Kind: invoke.Retry, After: after, Reason: invoke.Text(r.Reason)}, nil
	case streamwire.OutcomeReject:
		return invoke.Outcome{Kind: invoke.Reject, Reason: invoke.Text(r.Reason)}, nil
	case streamwire.OutcomeTooLarge:
		err := errors.New("the handler's reply is over the limit")
		return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeResponseTooLarge, Err: err}
	default:
		err := fmt.Errorf("the handler's result has the unknown outcome %d", r.Outcome)
		return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeBadResponse, Err: err}
	}
}

// checkReply refuses a reply that is not a valid event: it would be published.
func checkReply(e *event.Event) error {
	if e == nil {
		return nil
	}
	if err := event.Refusal(e.Validate()); err != nil {
		return errors.New("the handler's reply is not an event: " + invoke.Text(err.Error()))
	}
	return nil
}

// notUTF8 returns the name of an attribute that protobuf cannot carry, "" if there is none.
func notUTF8(e *event.Event) string {
	for name, value := range e.All() {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return strings.ToValidUTF8(name, "?")
		}
	}
	return ""
}
