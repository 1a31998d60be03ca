package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

func TestALargeEventIsRefusedWithItsSize(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	to := &target{nc: srv.Conn(t), js: srv.JetStream(t)}
	if _, err := stream.Ensure(t.Context(), to.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	s, err := to.js.Stream(t.Context(), stream.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	limit := int(s.CachedInfo().Config.MaxMsgSize)
	e := &event.Event{ID: "1", Source: "s", Type: "t", Data: make([]byte, limit)}
	var wrong *Error
	if _, err := publish(t.Context(), to, "events.a", e); !errors.As(err, &wrong) || wrong.Exit != ExitInvalid ||
		!strings.Contains(wrong.Message, "stream EVENTS takes") {
		t.Errorf("over the stream's limit: %v", err)
	}
	e.Data = make([]byte, to.nc.MaxPayload())
	if _, err := publish(t.Context(), to, "events.a", e); !errors.As(err, &wrong) ||
		!strings.Contains(wrong.Message, "the server takes") {
		t.Errorf("over the server's limit: %v", err)
	}
	// What fits exactly by our count is stored: the server counts the same.
	e.Data = nil
	header, _ := event.Encode(e)
	msg := &nats.Msg{Header: header}
	msg.Header.Set(nats.MsgIdHdr, event.MessageID(e.Source, e.ID))
	e.Data = make([]byte, limit-int(messageSize(msg)))
	if _, err := publish(t.Context(), to, "events.a", e); err != nil {
		t.Errorf("an event of exactly the limit: %v", err)
	}
}
