package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// publish stores the event. Its message id comes from source and id: the same event again is stored once.
func publish(ctx context.Context, t *target, subject string, e *event.Event) (*sent, error) {
	header, data := event.Encode(e)
	msg := &nats.Msg{Subject: subject, Header: header, Data: data}
	id := event.MessageID(e.Source, e.ID)
	msg.Header.Set(nats.MsgIdHdr, id)
	if err := t.checkSize(ctx, msg); err != nil {
		return nil, err
	}
	ack, err := t.js.PublishMsg(ctx, msg)
	if err != nil {
		return nil, explain("cannot publish to "+subject, err)
	}
	return &sent{
		ID: e.ID, Subject: subject, Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate, Functions: []string{},
	}, nil
}

// checkSize refuses what the server or the stream would refuse, and says by how much it is too large.
func (t *target) checkSize(ctx context.Context, msg *nats.Msg) error {
	size := messageSize(msg)
	if limit := t.nc.MaxPayload(); size > limit {
		return tooLarge(size, limit, "the server takes in one message")
	}
	s, err := t.js.Stream(ctx, stream.EventsStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // another stream may take it; publishing tells
	}
	if err != nil {
		return explain("cannot look up the stream of events", err)
	}
	if limit := int64(s.CachedInfo().Config.MaxMsgSize); limit > 0 && size > limit {
		return tooLarge(size, limit, "stream "+stream.EventsStream+" takes in one message")
	}
	return nil
}

func tooLarge(size, limit int64, who string) error {
	return &Error{
		Exit: ExitInvalid, Message: fmt.Sprintf("the event has %d bytes with its attributes, %d more than the %d bytes that %s",
			size, size-limit, limit, who),
		Hint: "keep large data elsewhere and send a reference to it",
	}
}

// messageSize is what limits count: headers as they are on the wire, and data.
func messageSize(msg *nats.Msg) int64 {
	n := len("NATS/1.0\r\n\r\n") + len(msg.Data)
	for name, values := range msg.Header {
		for _, v := range values {
			n += len(name) + len(": ") + len(v) + len("\r\n")
		}
	}
	return int64(n)
}
