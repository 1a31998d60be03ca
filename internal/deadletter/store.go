package deadletter

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Publish stores l. When it returns nil the letter is safe and the original message may be acknowledged.
func Publish(ctx context.Context, js jetstream.JetStream, l Letter) error {
	msg, err := Message(l)
	if err != nil {
		return err
	}
	if _, err := js.PublishMsg(ctx, msg, jetstream.WithExpectStream(stream.DeadStream)); err != nil {
		return fmt.Errorf("store dead letter of %s sequence %d: %w", l.Stream, l.Sequence, err)
	}
	return nil
}

// Filter selects letters. Empty fields select everything.
type Filter struct {
	Namespace string
	Function  string
	Reason    string
	After     uint64 // only ids greater than this one: the last id of the page before
	Limit     int    // at most so many; 0 is no limit
}

// List returns the letters that f selects, oldest first.
func List(ctx context.Context, js jetstream.JetStream, f Filter) ([]Letter, error) {
	letters := []Letter{}
	err := each(ctx, js, f, func(l Letter) error {
		letters = append(letters, l)
		return nil
	})
	return letters, err
}

// Get returns one letter. The error wraps ErrNotFound if there is none with the id.
func Get(ctx context.Context, js jetstream.JetStream, id uint64) (Letter, error) {
	s, err := js.Stream(ctx, stream.DeadStream)
	if err != nil {
		return Letter{}, fmt.Errorf("open stream %s: %w", stream.DeadStream, err)
	}
	raw, err := s.GetMsg(ctx, id)
	if err != nil {
		return Letter{}, fmt.Errorf("read dead letter %d: %w", id, notFound(err))
	}
	return parse(raw.Sequence, raw.Subject, raw.Time, raw.Header, raw.Data), nil
}

// Count returns how many letters a function has. An empty name stands for every one.
func Count(ctx context.Context, js jetstream.JetStream, namespace, function string) (uint64, error) {
	subject, err := pattern(namespace, function)
	if err != nil {
		return 0, err
	}
	s, err := js.Stream(ctx, stream.DeadStream)
	if err != nil {
		return 0, fmt.Errorf("open stream %s: %w", stream.DeadStream, err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	var n uint64
	for _, c := range info.State.Subjects {
		n += c
	}
	return n, nil
}

// Discard deletes one letter for good. The error wraps ErrNotFound if there is none with the id.
func Discard(ctx context.Context, js jetstream.JetStream, id uint64) error {
	s, err := js.Stream(ctx, stream.DeadStream)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", stream.DeadStream, err)
	}
	if err := s.DeleteMsg(ctx, id); err != nil {
		if _, gone := s.GetMsg(ctx, id); errors.Is(gone, jetstream.ErrMsgNotFound) {
			err = ErrNotFound // the server's answer to the deletion does not tell
		}
		return fmt.Errorf("discard dead letter %d: %w", id, err)
	}
	return nil
}

// each calls fn for every letter that f selects. It asks for one message at a time: nothing is left behind on the server,
// and a letter that goes away meanwhile is passed over.
func each(ctx context.Context, js jetstream.JetStream, f Filter, fn func(Letter) error) error {
	subject, err := pattern(f.Namespace, f.Function)
	if err != nil {
		return err
	}
	s, err := js.Stream(ctx, stream.DeadStream)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", stream.DeadStream, err)
	}
	next := f.After + 1
	for n := 0; f.Limit <= 0 || n < f.Limit; {
		raw, err := s.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read dead letters from %d: %w", next, err)
		}
		next = raw.Sequence + 1
		l := parse(raw.Sequence, raw.Subject, raw.Time, raw.Header, raw.Data)
		if f.Reason != "" && f.Reason != l.Reason {
			continue
		}
		n++
		if err := fn(l); err != nil {
			return err
		}
	}
	return nil
}

// pattern is the subject of a function's letters; an empty name stands for every one.
func pattern(namespace, function string) (string, error) {
	tokens := []string{namespace, function}
	for i, token := range tokens {
		switch {
		case token == "":
			tokens[i] = "*"
		case !event.ValidToken(token):
			return "", fmt.Errorf("select dead letters: %q is not a name", token)
		}
	}
	return "pelton.dead." + tokens[0] + "." + tokens[1], nil
}

// notFound maps what the server says of a message that is not there.
func notFound(err error) error {
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return ErrNotFound
	}
	return err
}
