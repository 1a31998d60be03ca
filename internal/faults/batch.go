package faults

import (
	"context"
	"strconv"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
	"github.com/pelton-dev/pelton/internal/function"
)

// batchWait is long enough that batches have several events, and short beside what a call may take.
const batchWait = function.Duration(50 * time.Millisecond)

// perReplica is how many events a replica can have in flight.
func (c Config) perReplica() int { return c.Concurrency * max(1, c.Batch) }

// batches is what handlers are told of them.
func (c Config) batches() string {
	if c.Batch == 0 {
		return ""
	}
	return strconv.Itoa(c.Batch)
}

// batchEvent is one event of a batch, with what is noted of it.
type batchEvent struct {
	note record
	body body
	of   functions.Delivery
}

// batch is one call with many events. They are answered together, when the slowest is done, and not at all if one of them hangs:
// so they are noted together, too.
func (h *handler) batch(ctx context.Context, events []sdk.Event) ([]functions.Result, error) {
	deliveries := functions.BatchFromContext(ctx)
	begun, work, hangs := make([]batchEvent, len(events)), time.Duration(0), false
	for i, e := range events {
		b := &begun[i]
		b.of = deliveries[i]
		b.note, b.body = h.begin(e, b.of)
		work, hangs = max(work, b.body.Work), hangs || b.body.hangs(b.of)
	}
	if h.takes == takesAll {
		work, hangs = 0, false
	}
	if hangs {
		<-ctx.Done()
		h.cut(begun)
		time.Sleep(hangsOn) // as a single call does
		return nil, ctx.Err()
	}
	select {
	case <-time.After(work):
	case <-ctx.Done():
		h.cut(begun)
		return nil, ctx.Err()
	}
	return h.answers(begun)
}

func (h *handler) cut(begun []batchEvent) {
	for i := range begun {
		h.note(begun[i].note, recordCut)
	}
}

// answers gives each event its own outcome.
func (h *handler) answers(begun []batchEvent) ([]functions.Result, error) {
	results := make([]functions.Result, len(begun))
	for i := range begun {
		b := &begun[i]
		kind, err := h.answer(b.body, b.of)
		h.note(b.note, kind)
		if results[i].Err = err; err != nil {
			continue
		}
		if results[i].Reply, err = reply(b.note.key()); err != nil {
			return nil, err
		}
	}
	return results, nil
}
