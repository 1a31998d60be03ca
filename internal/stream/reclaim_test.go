package stream_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestReclaim restarts the server with messages delivered, handed back and acknowledged. What was not acknowledged can be
// had again long before AckWait is over, and nothing else.
func TestReclaim(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	cfg := jetstream.ConsumerConfig{
		Durable: "c", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Hour,
		FilterSubject: "events.mine",
	}
	cons, err := js.CreateConsumer(t.Context(), stream.EventsStream, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		for _, subject := range []string{"events.other", "events.mine"} {
			if _, err := js.Publish(t.Context(), subject, []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	batch, err := cons.Fetch(5, jetstream.FetchMaxWait(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		switch string(m.Data()) {
		case "0", "2":
			err = m.DoubleAck(t.Context())
		case "3":
			err = m.Nak()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	srv.Restart(t)
	consumers := []stream.Consumer{
		{Stream: stream.EventsStream, Name: "c"},
		{Stream: stream.EventsStream, Name: "none"},
		{Stream: "NONE", Name: "c"},
	}
	waittest.Eventually(t, func() error {
		n, err := stream.Reclaim(t.Context(), js, consumers)
		if err == nil && n != 3 {
			err = fmt.Errorf("%d messages, want 3", n)
		}
		return err
	})
	got := map[string]int{}
	waittest.Eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		batch, err := cons.Fetch(6, jetstream.FetchContext(ctx))
		if err != nil {
			return err
		}
		for m := range batch.Messages() {
			got[string(m.Data())]++
			if err := m.DoubleAck(t.Context()); err != nil {
				return err
			}
		}
		if len(got) < 4 {
			return fmt.Errorf("got %v", got)
		}
		return nil
	})
	if want := map[string]int{"1": 1, "3": 1, "4": 1, "5": 1}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
