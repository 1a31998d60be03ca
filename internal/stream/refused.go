package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamRefused is a stream that the server does not make or change, and that only calls of a certain kind need. All others work.
type StreamRefused struct {
	Stream string
	Cause  error
}

// Error says what does not work, and why.
func (e *StreamRefused) Error() string {
	return fmt.Sprintf("%v (without stream %s the front door refuses large bodies or answers later, and all else works: "+
		"credentials of an earlier version lack the right to make it, issue them anew)", e.Cause, e.Stream)
}

// Unwrap returns what the server says.
func (e *StreamRefused) Unwrap() error { return e.Cause }

// Refused reports whether an error of Ensure says that something was refused without which functions work.
func Refused(err error) bool {
	_, replicas := errors.AsType[*ReplicasRefused](err)
	_, whole := errors.AsType[*StreamRefused](err)
	return replicas || whole
}

// ensureOptional is ensureStream for a stream without which functions work. Credentials of an earlier version are not answered.
func ensureOptional(ctx context.Context, js jetstream.JetStream, cfg Config, want jetstream.StreamConfig) ([]Drift, error) {
	asking, cancel := context.WithTimeout(ctx, refusalTimeout)
	defer cancel()
	drifts, err := ensureStream(asking, js, cfg, want)
	if err == nil || Refused(err) {
		return drifts, err
	}
	_, refused := errors.AsType[*jetstream.APIError](err)
	if ctx.Err() == nil && (refused || asking.Err() != nil) {
		return nil, &StreamRefused{want.Name, err}
	}
	return nil, err
}
