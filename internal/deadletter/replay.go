package deadletter

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Replay gives the event of one letter to its function again, as a first attempt, and then deletes the letter. Bytes and
// headers are the original ones; only this function sees the event.
//
// The copy carries an id made from the letter, so that a replay repeated after a crash before the deletion runs the event
// once, as long as the server remembers the id (two minutes, and a restart may forget those already worked off).
func Replay(ctx context.Context, js jetstream.JetStream, id uint64) error {
	l, err := Get(ctx, js, id)
	if err != nil {
		return err
	}
	msg, err := replayMessage(l)
	if err != nil {
		return err
	}
	if _, err := js.PublishMsg(ctx, msg, jetstream.WithExpectStream(stream.WorkStream)); err != nil {
		return fmt.Errorf("replay dead letter %d to %s/%s: %w", id, l.Namespace, l.Function, err)
	}
	if err := Discard(ctx, js, id); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

func replayMessage(l Letter) (*nats.Msg, error) {
	subject, err := event.WorkSubject(l.Namespace, l.Function, "replay")
	if err != nil {
		return nil, fmt.Errorf("replay dead letter %d: %w", l.ID, err)
	}
	header := nats.Header{}
	for k, vs := range l.Header {
		if hasPrefixFold(k, "Pelton-") || hasPrefixFold(k, "Http-") && l.Stream != stream.WorkStream {
			continue // a publisher wrote these, and in the queue they would be believed
		}
		header[k] = vs
	}
	stored := &event.Message{
		Subject: l.Subject, Header: l.Header, Data: l.Data, Stream: l.Stream, Sequence: l.Sequence, Time: l.Stored,
	}
	maps.Copy(header, event.Identity(stored))
	header.Set(nats.MsgIdHdr, fmt.Sprintf("replay:%s.%s:%d:%d", l.Namespace, l.Function, l.ID, l.Died.UnixNano()))
	return &nats.Msg{Subject: subject, Header: header, Data: l.Data}, nil
}
