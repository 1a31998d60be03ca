package faults

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

var errWaiting = errors.New("events wait")

// settle waits until no event waits for the function any more, now or later. How long that takes is the load's doing: it goes on while
// those that wait become fewer. What still waits when they have not for the patience is for the checker to judge: it is the error.
func (w *world) settle(ctx context.Context) error {
	fewest, until := math.MaxInt, time.Now().Add(w.cfg.Patience)
	for {
		one, done := context.WithTimeout(ctx, requestWait)
		waiting, err := w.settled(one)
		done()
		if err == nil {
			return nil
		}
		if waiting > 0 && waiting < fewest {
			fewest, until = waiting, time.Now().Add(w.cfg.Patience)
		}
		if time.Now().After(until) || !sleep(ctx, healPause) {
			return fmt.Errorf("settle: no fewer within %v: %w", w.cfg.Patience, err)
		}
	}
}

// settled is nil if nothing waits, and says else how much. Events move from EVENTS to being parked, to the function's own queue, and back
// to being parked. None of these moves can hide an event from us if nothing was stored in the queue's stream while we looked.
func (w *world) settled(ctx context.Context) (waiting int, err error) {
	work, err := w.js.Stream(ctx, stream.WorkStream)
	if err != nil {
		return 0, fmt.Errorf("look up stream %s: %w", stream.WorkStream, err)
	}
	before := work.CachedInfo().State.LastSeq
	all, err := waitingFor(ctx, w.js, w.fn)
	if err != nil {
		return 0, err
	}
	if all != (waits{}) {
		return all.Due + all.InFlight + all.Parked, fmt.Errorf("%w: %+v", errWaiting, all)
	}
	after, err := work.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("look up stream %s: %w", stream.WorkStream, err)
	}
	if after.State.LastSeq != before {
		return 0, fmt.Errorf("%w: one was parked meanwhile", errWaiting)
	}
	return 0, nil
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
