package stream_test

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/stream"
)

// busy is a JetStream on which somebody publishes right before each consumer is made.
type busy struct {
	jetstream.JetStream
	published *int
}

func (b busy) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	s, err := b.JetStream.Stream(ctx, name)
	return busyStream{s, b}, err
}

type busyStream struct {
	jetstream.Stream
	busy busy
}

func (s busyStream) CreateOrUpdateConsumer(ctx context.Context, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	if _, err := s.busy.Publish(ctx, "events.a", nil); err != nil {
		return nil, err
	}
	*s.busy.published++
	return s.Stream.CreateOrUpdateConsumer(ctx, cfg)
}

// TestNothingFallsBetweenTwoConsumers changes the subjects of a trigger that has worked off everything, while events come: those that
// are stored between the look at the consumer and its replacement wait for the replacement.
func TestNothingFallsBetweenTwoConsumers(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	if _, err := stream.EnsureFunction(t.Context(), js, newFunction("a", on("events.a"))); err != nil {
		t.Fatal(err)
	}
	published := 0
	cs, err := stream.EnsureFunction(t.Context(), busy{js, &published}, newFunction("a", on("events.a", "events.b")))
	if err != nil {
		t.Fatal(err)
	}
	if n := pending(t, js, cs); published == 0 || int(n) != published {
		t.Errorf("%d of %d events wait", n, published)
	}
}
