package bridge

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
)

// accepted is the answer for one stored event.
type accepted struct {
	ID        string `json:"id"`
	Subject   string `json:"subject"`
	Sequence  uint64 `json:"sequence"`
	Duplicate bool   `json:"duplicate,omitempty"` // it was stored before, at Sequence
}

// acceptedBatch is the answer for a batch.
type acceptedBatch struct {
	Accepted int        `json:"accepted"`
	Events   []accepted `json:"events"`
}

// accept stores the events of a request and answers.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, t target, body []byte) *problem {
	mode, events, p := s.read(r, t, body)
	if p != nil {
		return p
	}
	if mode == event.ModeNone {
		t = t.keyed(r)
	}
	return s.keep(w, r, t, mode, events)
}

// keep stores events and answers.
func (s *Server) keep(w http.ResponseWriter, r *http.Request, t target, mode event.Mode, events []*event.Event) *problem {
	msgs, p := s.messages(t, events)
	if p == nil {
		p = s.mayPublish(r, t, msgs)
	}
	if p == nil && t.plain {
		p = s.forward(msgs[0], r)
	}
	if p != nil {
		return p
	}
	acks, p := s.store(r.Context(), t, msgs)
	if p != nil {
		return p
	}
	s.metrics.stored(acks)
	out := make([]accepted, len(acks))
	for i, a := range acks {
		out[i] = accepted{events[i].ID, msgs[i].Subject, a.Sequence, a.Duplicate}
	}
	var answer any = acceptedBatch{len(out), out}
	if mode != event.ModeBatch {
		answer = out[0]
	}
	_ = writeJSON(w, http.StatusAccepted, "application/json", answer) // a caller that left asks again with the same id
	return nil
}

// writeAccepted answers for one event that is stored.
func writeAccepted(w http.ResponseWriter, e *event.Event, m *nats.Msg, ack Ack) {
	answer := accepted{e.ID, m.Subject, ack.Sequence, ack.Duplicate}
	_ = writeJSON(w, http.StatusAccepted, "application/json", answer) // a caller that left asks again with the same id
}

// read makes events of a request: CloudEvents as they are, anything else as the data of a new event.
func (s *Server) read(r *http.Request, t target, body []byte) (event.Mode, []*event.Event, *problem) {
	if t.plain {
		e, p := rawEvent(r, t, body)
		return event.ModeNone, []*event.Event{e}, p
	}
	mode, events, faults := event.FromHTTP(r.Header, body, event.Limits{Batch: s.cfg.MaxBatch})
	if len(faults) > 0 {
		return mode, nil, refuseEvent(faults)
	}
	if mode != event.ModeNone {
		return mode, events, nil
	}
	if t.subject == "" {
		return mode, nil, kindNotAnEvent.refuse("Without ce- headers or a CloudEvents media type the body is plain data: "+
			"post it to %s/SUBJECT, so that it has a subject.", eventsPath)
	}
	e, p := rawEvent(r, t, body)
	return mode, []*event.Event{e}, p
}

// refuseEvent makes one problem of all faults of the events.
func refuseEvent(faults []event.Problem) *problem {
	faults = faults[:min(len(faults), event.MaxProblems)]
	k := kindInvalidEvent
	switch faults[0].Code {
	case event.CodeUnsupportedMediaType:
		k = kindMediaType
	case event.CodeBatchTooLarge:
		k = kindBatchTooLarge
	default:
		if !slices.ContainsFunc(faults, func(f event.Problem) bool { return f.Code != faults[0].Code }) {
			k.code = faults[0].Code
		}
	}
	p := k.refuse("%s", faults[0].Detail)
	if len(faults) > 1 {
		p = k.refuse("%d rules are broken: see errors.", len(faults))
	}
	p.Errors = faults
	if k.status == http.StatusUnsupportedMediaType {
		p.with("Accept-Post", acceptPost)
	}
	return p
}

// store waits for the stream, but not for longer than the caller should.
func (s *Server) store(ctx context.Context, t target, msgs []*nats.Msg) ([]Ack, *problem) {
	if len(msgs) == 0 {
		return nil, nil
	}
	c := s.events
	if t.work {
		c = s.work
	}
	if plantable {
		if acks, early := plantedStore(ctx, c, msgs); early {
			return acks, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout)
	defer cancel()
	acks, err := c.Submit(ctx, msgs...)
	if err != nil {
		t.large.notStored(err)
		return nil, refuseStore(err)
	}
	unload(ctx)
	t.large.stored(acks)
	return acks, nil
}

// refuseStore says what a failed store means to the caller.
func refuseStore(err error) *problem {
	switch {
	case hasCode(err, codeMessageTooLarge), hasCode(err, codeHeaderTooLarge), errors.Is(err, nats.ErrMaxPayload):
		return kindEventTooLarge.refuse("The stream takes no message of this size.").because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return kindStoreTimeout.refuse("It is not known whether the event was stored. Send it again with the same id: " +
			"it is stored once.").because(err).retryLater()
	case slices.ContainsFunc(codesFull, func(code jetstream.ErrorCode) bool { return hasCode(err, code) }):
		return kindFull.refuse("There is no room for the event. Send it again later.").because(err).retryLater()
	}
	return kindUnavailable.refuse("The event store is not reachable or not ready. Send the event again later.").
		because(err).retryLater()
}
