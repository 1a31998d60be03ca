package faults

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

var errWaiting = errors.New("events wait")

// settle waits until no event waits for the function any more, now or later. What still waits when the patience is over is
// for the checker to judge: it is the error.
func (w *world) settle(ctx context.Context) error {
	return poll(ctx, w.cfg.Patience, "settle", w.settled)
}

// settled is nil if nothing waits. Events move from EVENTS to being parked, to the function's own queue, and back to being
// parked. None of these moves can hide an event from us if nothing was stored in the queue's stream while we looked.
func (w *world) settled(ctx context.Context) error {
	work, err := w.js.Stream(ctx, stream.WorkStream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", stream.WorkStream, err)
	}
	before := work.CachedInfo().State.LastSeq
	waiting, err := waitingFor(ctx, w.js, w.fn)
	if err != nil {
		return err
	}
	if waiting != (waits{}) {
		return fmt.Errorf("%w: %+v", errWaiting, waiting)
	}
	after, err := work.Info(ctx)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", stream.WorkStream, err)
	}
	if after.State.LastSeq != before {
		return fmt.Errorf("%w: one was parked meanwhile", errWaiting)
	}
	return nil
}

// waits counts what a function has waiting.
type waits struct {
	Due      int `json:"due"`
	InFlight int `json:"inFlight"`
	Parked   int `json:"parked"`
}

func waitingFor(ctx context.Context, js jetstream.JetStream, fn *function.Function) (waits, error) {
	owned, err := stream.OwnedBy(ctx, js, fn.Key())
	if err != nil {
		return waits{}, err
	}
	due, inFlight, parked := owned.Waiting()
	return waits{due, inFlight, parked}, nil
}

// heal undoes what faults may have left behind.
func (w *world) heal(ctx context.Context) error {
	return w.openLetters(ctx)
}
