package cli

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/claim"
	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// claimOf is the claim of a dead letter to a body that is kept beside it.
func claimOf(l deadletter.Letter) (claim.Ref, bool) {
	line := nats.Header(l.Header).Get(event.HeaderBody)
	if line == "" {
		return claim.Ref{}, false
	}
	ref, err := claim.Parse(line)
	return ref, err == nil
}

// letterData is the data of a letter in a line, or where it is.
func letterData(l deadletter.Letter) string {
	if ref, ok := claimOf(l); ok {
		return fmt.Sprintf("(a body of %d bytes, kept in pieces; it is given again by a replay, and removed by discard)", ref.Size)
	}
	return dataText(l.Data)
}

// discard deletes a letter, and then its body if that is kept beside it.
func discard(ctx context.Context, js jetstream.JetStream, id uint64) error {
	l, err := deadletter.Get(ctx, js, id)
	if err != nil {
		return err
	}
	if err := deadletter.Discard(ctx, js, id); err != nil {
		return err
	}
	ref, ok := claimOf(l)
	if !ok {
		return nil
	}
	return claim.Remove(ctx, js, function.Key{Namespace: l.Namespace, Name: l.Function}, ref)
}
