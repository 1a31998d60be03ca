package claim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// settledLeaf is the end of the subject that says of a body, in the place of a piece's number, that its event is settled. It lasts far longer
// than an event may be on its way that was delivered and not acknowledged.
const (
	settledLeaf  = "settled"
	settledLasts = 4 * time.Hour
)

// Settle notes of a body, before it is removed, that its event is settled. It is for an event of which there may be another copy in
// the queue: who finds that one's body gone can tell from it that nothing is lost.
func Settle(ctx context.Context, js jetstream.JetStream, key function.Key, r Ref) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	m := &nats.Msg{
		Subject: event.BodyPrefix(key.Namespace, key.Name) + r.ID + "." + settledLeaf,
		Header:  nats.Header{headerTTL: {strconv.Itoa(int(settledLasts / time.Second))}},
	}
	if _, err := js.PublishMsg(ctx, m, jetstream.WithExpectStream(stream.BodiesStream)); err != nil {
		return fmt.Errorf("note that the event of a body is settled: %w", err)
	}
	return nil
}

// IsSettled reports whether Settle has noted that of the body.
func (b *Body) IsSettled(ctx context.Context) (bool, error) {
	p, err := openPieces(ctx, b.js, b.key, b.ref, settledLeaf)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		p.close(ctx)
	}()
	_, err = p.fetch(ctx)
	if errors.Is(err, ErrLost) {
		return false, nil
	}
	return err == nil, err
}
