package stream_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

// TestAStreamThatFewNeed is not made where the server refuses it, and stops nothing else.
func TestAStreamThatFewNeed(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream(t)
	other := jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"pelton.body.>"}}
	if _, err := js.CreateStream(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	_, err := stream.Ensure(t.Context(), js, stream.Config{})
	no, ok := errors.AsType[*stream.StreamRefused](err)
	if !ok || no.Stream != stream.BodiesStream || !stream.Refused(err) {
		t.Fatalf("got %v, want that %s is refused", err, stream.BodiesStream)
	}
	for _, name := range []string{stream.EventsStream, stream.WorkStream, stream.LeaseStream, stream.ResultStream} {
		if _, err := js.Stream(t.Context(), name); err != nil {
			t.Errorf("stream %s: %v", name, err)
		}
	}
}
