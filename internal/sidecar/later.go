package sidecar

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/result"
)

// noteTimeout is how long it may take to note how far a call has come. Nothing depends on that.
const noteTimeout = 2 * time.Second

// later is what a call has beyond others whose caller asks for its outcome later.
type later struct {
	id      result.ID
	call    result.Call
	kept    invoke.Answer // what the handler has answered in this attempt
	origin  uint64        // the sequence of the call, or of its replay
	attempt int
}

// readLater returns nil for an event whose outcome nobody asks for.
func readLater(h nats.Header, key function.Key) *later {
	if len(h[event.HeaderResult]) == 0 {
		return nil
	}
	call, ok := result.CallOf(h)
	if !ok {
		return nil
	}
	return &later{id: result.ID{Namespace: key.Namespace, Function: key.Name, Token: call.Token}, call: call}
}

// begin has the answer of a call kept, and notes that it runs, while it does. What it returns waits for that.
func (l *later) begin(ctx context.Context, s *Sidecar, call *invoke.Call) (noted func()) {
	if l == nil {
		return func() {}
	}
	call.Kept = &l.kept
	r := l.record(result.Running, call.Attempt)
	var noting sync.WaitGroup
	noting.Go(func() { s.note(ctx, l, r) })
	return noting.Wait
}

func (l *later) record(state result.State, attempts int) result.Record {
	return result.Record{
		Call: l.call, State: state, Attempts: attempts, At: time.Now(), Stored: true, Origin: l.origin, Attempt: l.attempt,
	}
}

// keepResult stores what a call came to, before its event is acknowledged. How far it has come otherwise is noted if that is possible.
func (s *Sidecar) keepResult(ctx context.Context, d *delivery, st *settlement, next time.Time) error {
	l := d.asked.later
	if l == nil || st.action == overtaken { // it is known what it came to
		return nil
	}
	r := l.outcome(d, st, next)
	if !r.State.Final() {
		s.note(ctx, l, r)
		return nil
	}
	err := s.keepTrying(ctx, "result", func(try context.Context) error { return result.Finish(try, s.js, l.id, r) })
	if isTooLarge(err) && r.Answer != nil {
		r.Answer.Cut = true
		err = s.keepTrying(ctx, "result", func(try context.Context) error { return result.Finish(try, s.js, l.id, r) })
	}
	return err
}

// outcome is the record of what becomes of a call.
func (l *later) outcome(d *delivery, st *settlement, next time.Time) result.Record {
	r := l.record(result.Queued, d.attempt)
	switch st.action {
	case handBack, passOn:
		return r
	case park:
		r.State, r.Next = result.Waiting, cmp.Or(next, r.At.Add(st.delay))
	case ackDone:
		r.State, r.Answer = result.Done, answerOf(st.reply)
	case bury, giveUp, ackNoMatch:
		r.State = result.Dead
	}
	r.Reason, r.Text = st.reason, st.text
	if st.early {
		r.Attempts--
	}
	if l.kept.Status != 0 {
		r.Answer = &l.kept
	}
	return r
}

func (s *Sidecar) note(ctx context.Context, l *later, r result.Record) {
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	if err := result.Note(ctx, s.js, l.id, r); err != nil {
		s.log.Debug("state of a call not noted", zap.String("state", string(r.State)), zap.Error(err))
	}
}

// answerOf is what a handler has answered that does not speak HTTP: the data of its event, or nothing.
func answerOf(reply *event.Event) *invoke.Answer {
	if reply == nil || len(reply.Data) == 0 {
		return &invoke.Answer{Status: 204}
	}
	contentType := reply.DataContentType
	if contentType == "" || strings.ContainsAny(contentType, "\r\n") {
		contentType = event.GuessContentType(reply.Data)
	}
	return &invoke.Answer{Status: 200, Fields: []string{"Content-Type: " + contentType}, Body: reply.Data}
}
