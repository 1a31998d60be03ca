package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// Check finds out, without changing anything, whether a function can be provisioned on a server: the streams of its triggers
// must exist and store their subjects, and one must store its replies. EVENTS counts as there: Ensure makes it. All problems
// come at once, as a *Mismatch; another error is trouble with the server.
func Check(ctx context.Context, js jetstream.JetStream, fn *function.Function) error {
	var mismatch Mismatch
	for _, c := range ConsumersOf(fn) {
		if c.Trigger == WorkTrigger {
			continue
		}
		stored, err := storedBy(ctx, js, c.Stream)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			mismatch.add(noStream(c))
		case err != nil:
			return fmt.Errorf("look up stream %s: %w", c.Stream, err)
		default:
			mismatch.add(checkCovered(fn, c, stored))
		}
	}
	if r := fn.Spec.Reply; r != nil {
		stored, err := isStored(ctx, js, r.Subject)
		if err != nil {
			return err
		}
		if !stored {
			mismatch.add(noReplyStream(r.Subject))
		}
	}
	if len(mismatch.Problems) == 0 {
		return nil
	}
	return &mismatch
}

// Mismatch is what keeps a valid manifest from being provisioned on a server.
type Mismatch struct{ Problems []error }

func (m *Mismatch) add(problem error) {
	if problem != nil {
		m.Problems = append(m.Problems, problem)
	}
}

// Error lists the problems, one on a line.
func (m *Mismatch) Error() string { return errors.Join(m.Problems...).Error() }

func isStored(ctx context.Context, js jetstream.JetStream, subject string) (bool, error) {
	_, err := js.StreamNameBySubject(ctx, subject)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err == nil, err
	}
	events, err := storedBy(ctx, js, EventsStream)
	return overlaps(events, subject), err
}

// storedBy returns the subjects that a stream stores, or will.
func storedBy(ctx context.Context, js jetstream.JetStream, name string) ([]string, error) {
	info, err := current(ctx, js, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) && name == EventsStream {
		return []string{eventSubjects}, nil
	}
	if err != nil {
		return nil, err
	}
	return info.Config.Subjects, nil
}
