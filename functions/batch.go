package functions

import (
	"context"
	"fmt"
	"sync"

	"github.com/cloudevents/sdk-go/v2/event"

	peltonevent "github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// BatchFunc handles many events at once: those of one call to a function whose manifest has `batch`. It returns a Result for
// each event, in their order, or none at all if all are handled. An error is about the batch as a whole: every event is tried
// again, and after a Reject the sidecar looks for the bad one in smaller batches. The context is as that of a Func.
type BatchFunc func(ctx context.Context, events []event.Event) ([]Result, error)

// Result is what came of one event of a batch: what a Func would have returned.
type Result struct {
	Reply *event.Event
	Err   error
}

// ServeBatch is Serve for a function that takes many events at once. Where the manifest has no `batch`, each batch is one event.
//
// A Func serves batches too: Serve calls it for all events of one at the same time, and answers when the last is done.
func ServeBatch(f BatchFunc) error {
	ctx, stop := untilSignal()
	defer stop()
	return serve(ctx, f, environment())
}

// BatchFromContext returns the deliveries of the events of a batch, in their order. Outside of a BatchFunc there are none.
func BatchFromContext(ctx context.Context) []Delivery {
	deliveries, _ := ctx.Value(batchKey{}).([]Delivery)
	return deliveries
}

type batchKey struct{}

// batch is one running batch. It is the context that the BatchFunc gets.
type batch struct {
	context.Context
	events     []*peltonevent.Event
	deliveries []Delivery
	function   Delivery // without an attempt
}

// Value answers for FromContext and BatchFromContext.
func (b *batch) Value(key any) any {
	switch key.(type) {
	case deliveryKey:
		return &b.function
	case batchKey:
		return b.deliveries
	}
	return b.Context.Value(key)
}

// verdicts is what a batch came to: one outcome of the whole, or one for each event.
type verdicts struct {
	all  *invoke.Outcome
	each []invoke.Outcome
}

func (v *verdicts) of(i int) invoke.Outcome {
	if v.all != nil {
		return *v.all
	}
	return v.each[i]
}

// program is what is served: a Func or a BatchFunc.
type program interface {
	handle(c *call, done func(invoke.Outcome))
	handleBatch(b *batch, done func(verdicts))
}

// handle makes a batch of one event.
func (f BatchFunc) handle(c *call, done func(invoke.Outcome)) {
	b := &batch{Context: c.Context, events: []*peltonevent.Event{c.event}, deliveries: []Delivery{c.delivery}, function: c.delivery}
	f.handleBatch(b, func(v verdicts) { done(v.of(0)) })
}

// handleBatch makes one call of f. It returns, or ends its goroutine, as Func.handle does.
func (f BatchFunc) handleBatch(b *batch, done func(verdicts)) {
	var v verdicts
	returned := false
	defer func() {
		if err := ended(recover(), returned); err != nil {
			all := failed(err)
			v = verdicts{all: &all}
		}
		done(v)
	}()
	events := make([]event.Event, len(b.events))
	for i, e := range b.events {
		events[i] = toSDK(e)
	}
	results, err := f(b, events)
	v = b.verdictsOf(results, err)
	returned = true
}

// verdictsOf turns what a BatchFunc returned into outcomes.
func (b *batch) verdictsOf(results []Result, err error) verdicts {
	var all invoke.Outcome
	switch {
	case err != nil:
		all = verdictOfError(err)
	case len(results) == 0:
		all = invoke.Outcome{Kind: invoke.Done}
	case len(results) != len(b.events):
		all = failed(fmt.Errorf("the function returned %d results for %d events: want one for each, or none", len(results), len(b.events)))
	default:
		each := make([]invoke.Outcome, len(results))
		for i, r := range results {
			each[i] = verdictOf(r.Reply, r.Err, b.events[i], &b.deliveries[i])
		}
		return verdicts{each: each}
	}
	return verdicts{all: &all}
}

// handleBatch calls f for all events at once, each in a goroutine of its own.
func (f Func) handleBatch(b *batch, done func(verdicts)) {
	each := make([]invoke.Outcome, len(b.events))
	var calls sync.WaitGroup
	for i, e := range b.events {
		calls.Go(func() {
			f.handle(&call{Context: b.Context, event: e, delivery: b.deliveries[i]}, func(o invoke.Outcome) { each[i] = o })
		})
	}
	calls.Wait()
	done(verdicts{each: each})
}
