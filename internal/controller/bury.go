package controller

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// buryBatch is how many events are fetched at a time, and buryWait how long for.
const (
	buryBatch = 256
	buryWait  = 500 * time.Millisecond
)

// bury makes dead letters of what waits for a function that goes away: what is due, and retries that wait for their time. It
// ends when ctx does and can be repeated: a letter of the same event is stored once. It returns how many are left, such as events
// that were in flight where nobody is any more.
//
// An event that no trigger takes is passed over, if fn is not nil: it was never for the function.
func (q *queues) bury(ctx context.Context, key function.Key, fn *function.Function, owned *stream.Owned) (left int, err error) {
	if err := stream.RemoveSchedules(ctx, q.js, key); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, err
	}
	if err := q.buryParked(ctx, key); err != nil {
		return 0, err
	}
	selectors, err := selectorsOf(fn)
	if err != nil {
		return 0, err
	}
	for _, c := range owned.Consumers {
		n, err := q.buryDue(ctx, key, c, selectors[c.Stream])
		if err != nil {
			return 0, err
		}
		left += n
	}
	return left, nil
}

// selectorsOf compiles the event triggers of a function, by the streams they name.
func selectorsOf(fn *function.Function) (map[string]*filter.Selector, error) {
	selectors := map[string]*filter.Selector{}
	if fn == nil {
		return selectors, nil
	}
	for _, c := range stream.ConsumersOf(fn) {
		if c.Work() {
			continue
		}
		s, err := filter.NewSelector(fn, c.Triggers)
		if err != nil {
			return nil, err
		}
		selectors[c.Stream] = s
	}
	return selectors, nil
}

// buryDue empties one consumer, as far as that is possible now, and returns how much is left.
func (q *queues) buryDue(ctx context.Context, key function.Key, c *jetstream.ConsumerInfo, s *filter.Selector) (left int, err error) {
	consumer, err := q.js.Consumer(ctx, c.Stream, c.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up consumer %s: %w", c.Name, err)
	}
	for ctx.Err() == nil {
		batch, err := consumer.Fetch(buryBatch, jetstream.FetchMaxWait(buryWait), jetstream.FetchPriorityGroup(stream.PriorityGroup))
		if err != nil {
			return 0, fmt.Errorf("fetch from consumer %s: %w", c.Name, err)
		}
		n := 0
		for m := range batch.Messages() {
			n++
			if err := q.buryMessage(ctx, key, m, s); err != nil {
				return 0, err
			}
		}
		if n == 0 {
			break
		}
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("look up consumer %s: %w", c.Name, err)
	}
	return int(info.NumPending) + info.NumAckPending, nil
}

func (q *queues) buryMessage(ctx context.Context, key function.Key, m jetstream.Msg, s *filter.Selector) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("read delivery: %w", err)
	}
	stored := event.Message{
		Subject: m.Subject(), Header: m.Headers(), Data: m.Data(),
		Stream: meta.Stream, Sequence: meta.Sequence.Stream, Time: meta.Timestamp,
	}
	if !passesOver(s, &stored) {
		if err := deadletter.Publish(ctx, q.js, letter(key, stored)); err != nil {
			return err
		}
	}
	if err := m.DoubleAck(ctx); err != nil {
		return fmt.Errorf("acknowledge sequence %d of stream %s: %w", stored.Sequence, stored.Stream, err)
	}
	return nil
}

// passesOver reports whether a sidecar would not have called the function. What is no event cannot be chosen.
func passesOver(s *filter.Selector, m *event.Message) bool {
	if s == nil {
		return false
	}
	e, err := event.Decode(m)
	if err != nil {
		return false
	}
	takes, _ := s.Takes(m.Subject, e)
	return !takes
}

// buryParked does the same for retries that wait for their time. One that fires meanwhile is in the queue then.
func (q *queues) buryParked(ctx context.Context, key function.Key) error {
	s, err := q.js.Stream(ctx, stream.WorkStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", stream.WorkStream, err)
	}
	parked := "pelton.park." + key.Namespace + "." + key.Name + ".>"
	for next := uint64(1); ; {
		m, err := s.GetMsg(ctx, next, jetstream.WithGetMsgSubject(parked))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read parked events: %w", err)
		}
		next = m.Sequence + 1
		l := letter(key, event.Message{
			Subject: m.Subject, Header: m.Header, Data: m.Data, Stream: stream.WorkStream, Sequence: m.Sequence, Time: m.Time,
		})
		if err := deadletter.Publish(ctx, q.js, l); err != nil {
			return err
		}
		if err := s.DeleteMsg(ctx, m.Sequence); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("delete parked event %d: %w", m.Sequence, err)
		}
	}
}

// letter describes an event by where it was stored first, which a retry carries in its headers.
func letter(key function.Key, m event.Message) deadletter.Letter {
	h := nats.Header(m.Header)
	l := deadletter.Letter{
		Namespace: key.Namespace, Function: key.Name, Reason: deadletter.ReasonDeleted,
		Error:  "the function was deleted, and its spec.onDelete is deadLetter",
		Stream: m.Stream, Sequence: m.Sequence, Subject: m.Subject, Stored: m.Time, Died: time.Now(),
		Header: keptHeaders(m), Data: m.Data,
	}
	if m.Stream != stream.WorkStream {
		return l
	}
	if attempt, err := strconv.Atoi(h.Get("Pelton-Attempt")); err == nil {
		l.Attempts = max(0, attempt-1) // this one was not made
	}
	sequence, err := strconv.ParseUint(h.Get("Pelton-Origin-Sequence"), 10, 64)
	stored, timeErr := time.Parse(time.RFC3339Nano, h.Get("Pelton-Origin-Time"))
	if err == nil && timeErr == nil {
		l.Stream, l.Sequence, l.Subject, l.Stored = h.Get("Pelton-Origin-Stream"), sequence, h.Get("Pelton-Origin-Subject"), stored
	}
	return l
}

// keptHeaders are those that go with an event. One that had no attributes of its own is given those it would have been delivered
// with, as it would otherwise be another event once it is replayed.
func keptHeaders(m event.Message) nats.Header {
	kept := nats.Header{}
	for name, values := range m.Header {
		c := textproto.CanonicalMIMEHeaderKey(name)
		publishers := strings.HasPrefix(c, "Http-") && m.Stream != stream.WorkStream // a function's own queue believes these
		if !publishers && !strings.HasPrefix(c, "Nats-") && !strings.HasPrefix(c, "Pelton-") {
			kept[name] = values
		}
	}
	for name := range kept {
		if strings.HasPrefix(strings.ToLower(name), "ce-") {
			return kept
		}
	}
	if strings.HasPrefix(strings.ToLower(kept.Get("Content-Type")), "application/cloudevents") {
		return kept
	}
	if e, err := event.Decode(&m); err == nil {
		attributes, _ := event.Encode(e)
		for name, values := range attributes {
			kept[name] = values
		}
	}
	return kept
}
