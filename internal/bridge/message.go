package bridge

import (
	"fmt"
	"math"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// messages makes what is published of the events of a request. Every event is checked before any is stored.
func (s *Server) messages(t target, events []*event.Event) ([]*nats.Msg, *problem) {
	msgs := make([]*nats.Msg, 0, len(events))
	for i, e := range events {
		where := ""
		if len(events) > 1 {
			where = fmt.Sprintf("Event %d: ", i)
		}
		m, p := s.message(t, e)
		if p != nil {
			p.Detail = where + p.Detail
			return nil, p
		}
		msgs = append(msgs, m)
	}
	return msgs, nil
}

func (s *Server) message(t target, e *event.Event) (*nats.Msg, *problem) {
	subject := t.subject
	if subject == "" {
		ok := false
		if subject, ok = subjectOfType(e.Type); !ok {
			return nil, kindTypeNotSubject.refuse("%s publishes an event under its type, and this one is not %s. "+
				"Post it to %s/SUBJECT.", eventsPath, subjectRule, eventsPath)
		}
	}
	header, data := event.Encode(e)
	m := &nats.Msg{Subject: subject, Header: header, Data: data}
	m.Header.Set(headerMsgID, event.MessageID(e.Source, e.ID, t.scope...))
	t.large.mark(m)
	if p := checkSize(m, s.maxMessage()); p != nil {
		return nil, p
	}
	return m, nil
}

// maxMessage is the size that both the streams and the server take, with room for what a retry or a dead letter adds: a
// function's own queue has no limit of its own. The server's may change with a reconnect.
func (s *Server) maxMessage() int64 {
	limit := s.conn.MaxPayload()
	if limit > 0 {
		limit = stream.EventLimit(limit)
	}
	if s.cfg.MaxMessage > 0 && (limit <= 0 || s.cfg.MaxMessage < limit) {
		return s.cfg.MaxMessage
	}
	return limit
}

// checkSize refuses what the server would, as it would cut the connection for that. There is room for the headers of a
// batch, since any event may become part of one. A limit of 0 is not known yet.
func checkSize(m *nats.Msg, limit int64) *problem {
	header := headerSize(m.Header) + batchHeaderRoom
	if header > math.MaxUint16 {
		return kindEventTooLarge.refuse("The attributes have %d bytes when encoded: at most %d are possible.",
			header-batchHeaderRoom, math.MaxUint16-batchHeaderRoom)
	}
	if size := int64(header + len(m.Data)); limit > 0 && size > limit {
		return kindEventTooLarge.refuse("Data and attributes together have %d bytes: at most %d are possible. "+
			"Keep large data elsewhere and send a reference to it.", size-batchHeaderRoom, limit-batchHeaderRoom)
	}
	return nil
}

// headerSize is what the headers of a message take on the wire.
func headerSize(h nats.Header) int {
	n := len("NATS/1.0\r\n\r\n")
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(": \r\n") + len(v)
		}
	}
	return n
}
