// Package lifecycle runs named actors together: the first to return ends the group, and all are awaited.
//
// It knows nothing of what the actors do. A group is over when Run returns.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
)

// Actor is one long-lived part of a process. Run blocks, returns nil when ctx ends, and leaves nothing behind.
type Actor struct {
	Name string
	Run  func(ctx context.Context) error
}

// Exit is one actor's return.
type Exit struct {
	Name string
	Err  error
}

// Run starts every actor and waits for all of them. The first return, nil or not, cancels the context of the others;
// onFirst, if set, is told which it was and why. The errors of all actors are joined, each with its actor's name; a context
// error after the cancellation is not an error.
func Run(ctx context.Context, onFirst func(Exit), actors ...Actor) error {
	if len(actors) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	exits := make(chan Exit, len(actors))
	for _, a := range actors {
		go func() { exits <- Exit{a.Name, a.Run(ctx)} }()
	}
	var errs []error
	for i := range actors {
		e := <-exits
		if e.Err != nil && !(ctx.Err() != nil && errors.Is(e.Err, context.Canceled)) {
			errs = append(errs, fmt.Errorf("%s: %w", e.Name, e.Err))
		}
		if i == 0 {
			if onFirst != nil {
				onFirst(e)
			}
			cancel()
		}
	}
	return errors.Join(errs...)
}
