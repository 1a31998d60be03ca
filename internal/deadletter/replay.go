package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
		if !hasPrefixFold(k, "Pelton-") {
			header[k] = vs
		}
	}
	for k, vs := range identity(l) {
		if !hasFold(l.Header, k) {
			header[k] = vs
		}
	}
	header.Set(nats.MsgIdHdr, fmt.Sprintf("replay:%s.%s:%d:%d", l.Namespace, l.Function, l.ID, l.Died.UnixNano()))
	return &nats.Msg{Subject: subject, Header: header, Data: l.Data}, nil
}

// identity returns the headers that keep a raw message the event it was. Its id, source, time and the rest come from where
// it was stored, and it is stored elsewhere now; an event with attributes of its own needs nothing.
func identity(l Letter) map[string][]string {
	m := &event.Message{
		Subject: l.Subject, Header: l.Header, Data: l.Data, Stream: l.Stream, Sequence: l.Sequence, Time: l.Stored,
	}
	if !isRaw(m) {
		return nil
	}
	e, err := event.Decode(m)
	if err != nil {
		return nil // a broken event stays the broken event it was
	}
	header, _ := event.Encode(e)
	return header
}

// isRaw says that a message is no CloudEvent by itself: neither binary mode (ce- headers) nor structured mode.
func isRaw(m *event.Message) bool {
	for k, vs := range m.Header {
		if hasPrefixFold(k, "ce-") {
			return false
		}
		if strings.EqualFold(k, "content-type") && len(vs) > 0 && hasPrefixFold(vs[0], "application/cloudevents") {
			return false
		}
	}
	return true
}

func hasFold(h map[string][]string, key string) bool {
	for k := range h {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}
