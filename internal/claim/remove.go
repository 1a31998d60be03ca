package claim

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

const (
	removeTimeout  = 30 * time.Second
	removeParallel = 8
)

// Remove takes a body away. One that is not there is no error.
//
// No right to delete messages can be narrowed to those of one function. So each piece is replaced by an empty message that the
// server removes after a second: the stream keeps one message for each subject. The first piece goes last, as the Janitor finds by it
// what was left.
func Remove(ctx context.Context, js jetstream.JetStream, key function.Key, r Ref) error {
	return remove(ctx, js, key, r, r.pieces())
}

func remove(ctx context.Context, js jetstream.JetStream, key function.Key, r Ref, pieces int) error {
	if pieces == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(removeParallel)
	for n := pieces - 1; n > 0; n-- {
		g.Go(func() error { return removePiece(ctx, js, key, r, n) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return removePiece(ctx, js, key, r, 0)
}

func removePiece(ctx context.Context, js jetstream.JetStream, key function.Key, r Ref, n int) error {
	if ctx.Err() != nil {
		return fmt.Errorf("remove piece %d of a body: %w", n, ctx.Err())
	}
	subject, err := r.subject(key, n)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: subject, Header: nats.Header{headerTTL: {"1"}}}
	if _, err := js.PublishMsg(ctx, m, jetstream.WithExpectStream(stream.BodiesStream)); err != nil {
		return fmt.Errorf("remove piece %d of a body: %w", n, err)
	}
	return nil
}
