package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// evidence is everything there is to judge: what the ledgers say, and what the streams hold.
type evidence struct {
	published []record
	handled   []record
	stored    map[key][]storedEvent // in EVENTS
	replies   map[key][]time.Time
	letters   map[key][]letter
	queued    map[key]string // what is left in the function's own queue, and on which subject
	ackFloor  uint64         // all of EVENTS up to here is acknowledged
	waits     waits
	faults    int // that were done
	limit     int // of attempts
	held      int // events in flight at the faults, together
	room      int // for calls at one time, in all replicas
	deaths    int // of sidecars, by a build that dies of itself
	ordered   bool
	crashes   []string
	unsettled error

	replayed bool     // every dead letter was given again
	healed   []record // of the handlers that took them
}

type storedEvent struct {
	sequence uint64
	sum      string
	at       time.Time
}

type letter struct {
	reason   string
	attempts int
	sum      string
	died     time.Time
}

// collect stops the replicas, so that nothing changes any more, and reads everything. Streams are read by sequence: a
// consumer that loses events must not hide them from us.
func (w *world) collect(ctx context.Context, unsettled error) (*evidence, error) {
	w.stopReplicas()
	e := &evidence{unsettled: unsettled, letters: map[key][]letter{}}
	var err error
	if e.waits, err = waitingFor(ctx, w.js, w.fn); err != nil {
		return nil, err
	}
	for _, read := range []func(context.Context, *evidence) error{
		w.readEvents, w.readReplies, w.readQueue, w.readLetters, w.readFloor,
	} {
		if err := read(ctx, e); err != nil {
			return nil, err
		}
	}
	if e.published, err = readLedgers(w.ledgers(), publisherLedger); err != nil {
		return nil, err
	}
	if e.handled, err = readLedgers(w.ledgers(), handlerLedger); err != nil {
		return nil, err
	}
	for _, p := range w.processes {
		deaths, crashes := p.record()
		e.deaths += deaths
		e.crashes = append(e.crashes, crashes...)
	}
	slices.Sort(e.crashes)
	return e, nil
}

func (w *world) readEvents(ctx context.Context, e *evidence) error {
	e.stored = map[key][]storedEvent{}
	return each(ctx, w.js, stream.EventsStream, eventSubject+">", func(m *jetstream.RawStreamMsg) error {
		k := keyOf(m.Header.Get("ce-source"), m.Header.Get("ce-id"))
		e.stored[k] = append(e.stored[k], storedEvent{m.Sequence, checksum(m.Data), m.Time})
		return nil
	})
}

func (w *world) readReplies(ctx context.Context, e *evidence) error {
	e.replies = map[key][]time.Time{}
	return each(ctx, w.js, stream.EventsStream, replySubject, func(m *jetstream.RawStreamMsg) error {
		var to key
		if err := json.Unmarshal(m.Data, &to); err != nil {
			return fmt.Errorf("read reply %d: %w", m.Sequence, err)
		}
		e.replies[to] = append(e.replies[to], m.Time)
		return nil
	})
}

func (w *world) readQueue(ctx context.Context, e *evidence) error {
	e.queued = map[key]string{}
	subjects := "pelton.*." + function.DefaultNamespace + "." + functionName + ".>"
	return each(ctx, w.js, stream.WorkStream, subjects, func(m *jetstream.RawStreamMsg) error {
		e.queued[keyOf(m.Header.Get("ce-source"), m.Header.Get("ce-id"))] = m.Subject
		return nil
	})
}

func (w *world) readLetters(ctx context.Context, e *evidence) error {
	letters, err := deadletter.List(ctx, w.js, deadletter.Filter{Namespace: function.DefaultNamespace, Function: functionName})
	for _, l := range letters {
		k := keyOf(first(l.Header, "ce-source"), first(l.Header, "ce-id"))
		e.letters[k] = append(e.letters[k], letter{l.Reason, l.Attempts, checksum(l.Data), l.Died})
	}
	return err
}

func (w *world) readFloor(ctx context.Context, e *evidence) error {
	for _, c := range stream.ConsumersOf(w.fn) {
		if c.Stream != stream.EventsStream {
			continue
		}
		have, err := w.js.Consumer(ctx, c.Stream, c.Name)
		if err != nil {
			return fmt.Errorf("look up consumer %s: %w", c.Name, err)
		}
		e.ackFloor = have.CachedInfo().AckFloor.Stream
	}
	return nil
}

func keyOf(source, id string) key { return key{source, id} }

// first is the first value of a header, whose name may be written in any case.
func first(header map[string][]string, name string) string {
	for have, values := range header {
		if strings.EqualFold(have, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// How a stream is read: in parts, several at one time. One message costs a round trip, and a night makes millions.
const (
	partSize    = 2000
	partsAtOnce = 8
)

// each reads every message of a stream on some subjects. Within a part they come in order.
func each(ctx context.Context, js jetstream.JetStream, name, subjects string, fn func(*jetstream.RawStreamMsg) error) error {
	s, err := js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", name, err)
	}
	state := s.CachedInfo().State
	var one sync.Mutex // fn is called by one at a time
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for from := max(1, state.FirstSeq); from <= state.LastSeq; from += partSize {
		g.Go(func() error {
			return eachOf(ctx, s, from, from+partSize, subjects, func(m *jetstream.RawStreamMsg) error {
				one.Lock()
				defer one.Unlock()
				return fn(m)
			})
		})
	}
	return g.Wait()
}

// eachOf reads the messages of a stream from one sequence to before another.
func eachOf(ctx context.Context, s jetstream.Stream, from, to uint64, subjects string, fn func(*jetstream.RawStreamMsg) error) error {
	for from < to {
		m, err := s.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subjects))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream %s from %d: %w", s.CachedInfo().Config.Name, from, err)
		}
		if m.Sequence >= to {
			return nil
		}
		if err := fn(m); err != nil {
			return err
		}
		from = m.Sequence + 1
	}
	return nil
}

// limitDeliveries sets on the function's event consumers what Pelton never sets.
func limitDeliveries(ctx context.Context, js jetstream.JetStream, fn *function.Function, limit int) error {
	for _, c := range stream.ConsumersOf(fn) {
		if c.Work() {
			continue
		}
		have, err := js.Consumer(ctx, c.Stream, c.Name)
		if err != nil {
			return fmt.Errorf("look up consumer %s: %w", c.Name, err)
		}
		cfg := have.CachedInfo().Config
		cfg.MaxDeliver = limit
		if _, err := js.UpdateConsumer(ctx, c.Stream, cfg); err != nil {
			return fmt.Errorf("update consumer %s: %w", c.Name, err)
		}
	}
	return nil
}
