package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// Check finds out, without changing anything, whether a function can be provisioned on a server: the streams of its triggers
// must exist and store their subjects, and one must store its replies. EVENTS counts as there: Ensure makes it. All problems
// come at once, as a *Mismatch; another error is trouble with the server.
func Check(ctx context.Context, js jetstream.JetStream, fn *function.Function) error {
	var mismatch Mismatch
	for _, c := range ConsumersOf(fn) {
		if c.Work() {
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

// checkReply makes sure that replies can be stored: an outcome whose reply no stream takes would never be acknowledged.
func checkReply(ctx context.Context, js jetstream.JetStream, fn *function.Function) error {
	if fn.Spec.Reply == nil {
		return nil
	}
	_, err := js.StreamNameBySubject(ctx, fn.Spec.Reply.Subject)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return noReplyStream(fn.Spec.Reply.Subject)
	}
	if err != nil {
		return fmt.Errorf("look up the stream of reply subject %q: %w", fn.Spec.Reply.Subject, err)
	}
	return nil
}

func noReplyStream(subject string) error {
	return fmt.Errorf("spec.reply.subject: no stream stores %q (use a subject below events., or create a stream for it)",
		subject)
}

// checkCovered refuses a trigger that could never see an event: its stream stores no such subject.
func checkCovered(fn *function.Function, c Consumer, stored []string) error {
	for _, t := range c.Triggers {
		for i, subject := range fn.Spec.Triggers[t].Event.Subjects {
			if !overlaps(stored, subject) {
				return fmt.Errorf("spec.triggers[%d].event.subjects[%d]: stream %s stores %v, so no event can match %q (function %s)",
					t, i, c.Stream, stored, subject, fn.Key())
			}
		}
	}
	return nil
}

func overlaps(stored []string, subject string) bool {
	return slices.ContainsFunc(stored, func(s string) bool { return function.SubjectsOverlap(s, subject) })
}

func noStream(c Consumer) error {
	return fmt.Errorf("spec.triggers[%d].event.stream: stream %q does not exist (create it, or use %s)", c.Triggers[0], c.Stream,
		EventsStream)
}
