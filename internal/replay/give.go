package replay

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Give stores a copy of an event in the function's own queue, as a first attempt, with the bytes and attributes it has. id names
// the replay: what was given under the same id in the last two minutes is a duplicate, and is not stored again. (The server
// forgets ids after that time, and a restart may make it forget those of events that are worked off.)
func (r *Replay) Give(ctx context.Context, id string, f Found) (duplicate bool, err error) {
	key := r.fn.Key()
	subject, err := event.WorkSubject(key.Namespace, key.Name, "replay")
	if err != nil {
		return false, fmt.Errorf("replay %s: %w", f.Position, err)
	}
	header := nats.Header(event.Identity(f.message))
	if header == nil {
		header = nats.Header{}
	}
	for name, values := range f.message.Header {
		if !ours(name) {
			header[name] = values
		}
	}
	header.Set(nats.MsgIdHdr, fmt.Sprintf("replay:%s.%s:%s:%s", key.Namespace, key.Name, id, f.Position))
	ack, err := r.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Header: header, Data: f.message.Data},
		jetstream.WithExpectStream(stream.WorkStream))
	if err != nil {
		return false, fmt.Errorf("replay %s to %s: %w", f.Position, key, err)
	}
	return ack.Duplicate, nil
}

// ours are headers of the server, which are commands, and those that Pelton sets on messages in a function's queue: what a publisher
// has written there is no request and no claim to a body.
func ours(name string) bool {
	for _, prefix := range []string{"Nats-", "Pelton-", "Http-"} {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}
