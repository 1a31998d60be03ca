package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ReplicasRefused is a stream whose number of replicas the server does not change. It works as before.
type ReplicasRefused struct {
	Stream     string
	Have, Want int
	Cause      error
}

// Error says what it keeps, and why.
func (e *ReplicasRefused) Error() string {
	return fmt.Sprintf("stream %s keeps %d replicas, and not %d: %v (it takes as many servers with room for it; nats server ls shows them)",
		e.Stream, e.Have, e.Want, e.Cause)
}

// Unwrap returns what the server says.
func (e *ReplicasRefused) Unwrap() error { return e.Cause }

// refusalTimeout bounds the one request that credentials of an earlier version may not make: nobody answers it.
const refusalTimeout = 5 * time.Second

var errNoAnswer = errors.New("no answer: the credentials may lack the right to $JS.API.STREAM.UPDATE of it")

// BringReplicas changes how many replicas a stream that exists has, and nothing else of it: also of one that is its user's. Want 0
// is no opinion.
func BringReplicas(ctx context.Context, js jetstream.JetStream, have jetstream.StreamConfig, want int) error {
	if want == 0 || want == have.Replicas {
		return nil
	}
	info, err := current(ctx, js, have.Name) // as it is now: all of it is written back
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", have.Name, err)
	}
	changed := info.Config
	changed.Replicas = want
	asking, cancel := context.WithTimeout(ctx, refusalTimeout)
	defer cancel()
	_, err = js.UpdateStream(asking, changed)
	api, refused := errors.AsType[*jetstream.APIError](err)
	switch {
	case err == nil:
		return nil
	case refused:
		return &ReplicasRefused{have.Name, info.Config.Replicas, want, api}
	case asking.Err() != nil && ctx.Err() == nil:
		return &ReplicasRefused{have.Name, info.Config.Replicas, want, errNoAnswer}
	}
	return fmt.Errorf("change replicas of stream %s: %w", have.Name, err)
}
