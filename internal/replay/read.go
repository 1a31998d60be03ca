package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// Found is an event that is to be given again.
type Found struct {
	Position
	Subject string
	Stored  time.Time
	Event   *event.Event

	message *event.Message
}

// Counts is what was read.
type Counts struct {
	Read       int `json:"read"`       // on the triggers' subjects and in the time that is meant
	Matched    int `json:"matched"`    // of these, taken by all filters
	Unanswered int `json:"unanswered"` // of these, for which a filter could not be evaluated: they do not match
	Broken     int `json:"broken"`     // of these, what is no event: the function would only refuse it again
}

// Each calls fn for every event that is selected, in the order of positions, until fn returns an error.
func (r *Replay) Each(ctx context.Context, fn func(Found) error) (Counts, error) {
	var n Counts
	for _, s := range r.streams {
		from, err := r.begin(ctx, s)
		if err == nil {
			err = r.read(ctx, s, from, &n, fn)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// begin finds the first sequence that is meant: messages lie in the order of their time.
func (r *Replay) begin(ctx context.Context, s *source) (uint64, error) {
	from, end := s.stream.CachedInfo().State.FirstSeq, s.last+1
	if s.name == r.want.After.Stream {
		from = max(from, r.want.After.Sequence+1)
	}
	for !r.want.Since.IsZero() && from < end {
		middle := from + (end-from)/2
		m, err := s.next(ctx, middle, ">")
		switch {
		case err != nil:
			return 0, err
		case m == nil || !m.Time.Before(r.want.Since):
			end = middle
		default:
			from = m.Sequence + 1
		}
	}
	return from, nil
}

// next returns the first message from a sequence on, nil if there is none.
func (s *source) next(ctx context.Context, from uint64, subject string) (*jetstream.RawStreamMsg, error) {
	m, err := s.stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read stream %s from %d: %w", s.name, from, err)
	}
	return m, nil
}

// cursor is the next message of one subject, nil at the end.
type cursor struct {
	subject string
	next    *jetstream.RawStreamMsg
}

// read goes through one stream. The server selects by one subject at a time, so there is a cursor for each, and what comes first
// of all is next.
func (r *Replay) read(ctx context.Context, s *source, from uint64, n *Counts, fn func(Found) error) error {
	var cursors []*cursor
	for _, subject := range s.subjects() {
		m, err := s.next(ctx, from, subject)
		if err != nil {
			return err
		}
		cursors = append(cursors, &cursor{subject, m})
	}
	for {
		m := first(cursors)
		if m == nil || m.Sequence > s.last || !r.want.Until.IsZero() && !m.Time.Before(r.want.Until) {
			return nil
		}
		if found, ok := r.match(s, m, n); ok {
			if err := fn(found); err != nil {
				return err
			}
		}
		for _, c := range cursors {
			if c.next == nil || c.next.Sequence != m.Sequence {
				continue
			}
			var err error
			if c.next, err = s.next(ctx, m.Sequence+1, c.subject); err != nil {
				return err
			}
		}
	}
}

// subjects are those of all triggers, each once.
func (s *source) subjects() (all []string) {
	for _, t := range s.triggers {
		all = append(all, t.subjects...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func first(cursors []*cursor) (m *jetstream.RawStreamMsg) {
	for _, c := range cursors {
		if c.next != nil && (m == nil || c.next.Sequence < m.Sequence) {
			m = c.next
		}
	}
	return m
}

// match decides on one message, which a trigger and the filter of the replay have to take.
func (r *Replay) match(s *source, raw *jetstream.RawStreamMsg, n *Counts) (Found, bool) {
	n.Read++
	m := &event.Message{
		Subject: raw.Subject, Header: raw.Header, Data: raw.Data, Stream: s.name, Sequence: raw.Sequence, Time: raw.Time,
	}
	e, err := event.Decode(m)
	if err != nil {
		n.Broken++
		return Found{}, false
	}
	taken, err := s.takes(raw.Subject, e)
	if taken && r.want.Filter != nil {
		taken, err = r.want.Filter.Match(e)
	}
	switch {
	case taken:
		n.Matched++
	case err != nil:
		n.Unanswered++
	}
	return Found{Position{s.name, raw.Sequence}, raw.Subject, raw.Time, e, m}, taken
}

// takes reports whether one of the triggers takes an event, and else why one could not tell.
func (s *source) takes(subject string, e *event.Event) (yes bool, unanswered error) {
	for _, t := range s.triggers {
		if !slices.ContainsFunc(t.subjects, func(p string) bool { return function.MatchSubject(p, subject) }) {
			continue
		}
		if t.filter == nil {
			return true, nil
		}
		yes, err := t.filter.Match(e)
		if yes {
			return true, nil
		}
		unanswered = errors.Join(unanswered, err)
	}
	return false, unanswered
}
