package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
)

// waiter follows one event until every function has come to an end with it.
type waiter struct {
	source string
	open   map[function.Key]bool
	runs   chan ledger.Run // written by the subscription; what it cannot hold is dropped
	sub    *nats.Subscription
}

// startWaiter subscribes before the event is published, so that no run is missed.
func startWaiter(nc *nats.Conn, e *event.Event, functions []function.Key) (*waiter, error) {
	w := &waiter{source: e.Source, open: map[function.Key]bool{}, runs: make(chan ledger.Run, 1000)}
	for _, key := range functions {
		w.open[key] = true
	}
	var err error
	w.sub, err = ledger.Subscribe(nc, ledger.Filter{EventID: e.ID}, func(r ledger.Run) {
		select {
		case w.runs <- r:
		default:
		}
	})
	return w, err
}

func (w *waiter) stop() { _ = w.sub.Unsubscribe() }

// wait calls show for every run until the last function is done with the event. The error says which functions failed, or
// are not done in time.
func (w *waiter) wait(ctx context.Context, timeout time.Duration, show func(ledger.Run)) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	var dead []string
	for len(w.open) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return w.late(timeout)
		case r := <-w.runs:
			key := function.Key{Namespace: r.Namespace, Name: r.Function}
			if !w.open[key] || r.EventSource != w.source {
				continue
			}
			show(r)
			switch r.Outcome {
			case ledger.OutcomeDead:
				dead = append(dead, key.String())
				delete(w.open, key)
			case ledger.OutcomeDone, ledger.OutcomeFiltered, ledger.OutcomeFailed:
				delete(w.open, key)
			}
		}
	}
	if len(dead) > 0 {
		return &Error{
			Exit: ExitHandler, Message: fmt.Sprintf("%s did not do the event: it is a dead letter", strings.Join(dead, ", ")),
			Hint: "pelton dlq list --function " + dead[0],
		}
	}
	return nil
}

func (w *waiter) late(timeout time.Duration) error {
	var names []string
	for key := range w.open {
		names = append(names, key.String())
	}
	return &Error{
		Exit: ExitTimeout, Message: fmt.Sprintf("%s not done after %s", strings.Join(names, ", "), timeout),
		Hint: "pelton why " + names[0],
	}
}
