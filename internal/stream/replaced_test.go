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

func (b busy) CreateOrUpdateConsumer(ctx context.Context, name string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	if _, err := b.Publish(ctx, "events.a", nil); err != nil {
		return nil, err
	}
	*b.published++
	return b.JetStream.CreateOrUpdateConsumer(ctx, name, cfg)
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
