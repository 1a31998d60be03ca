package result

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/stream"
)

// ErrNotFound says that there is no record: there never was one, or it is not kept any more.
var ErrNotFound = errors.New("no such call is known")

// flushTimeout is how long a server may take to know that somebody listens.
const flushTimeout = 2 * time.Second

// headerRoom is what headers may take of a message.
const headerRoom = 64 << 10

// First is the message that makes a call known. Whoever stores it twice stores it once, and an id that is known already is refused
// with an error that Exists recognises.
func First(id ID, r Record) (*nats.Msg, error) {
	m, err := r.message(id, 0)
	if err != nil {
		return nil, err
	}
	m.Header.Set(nats.MsgIdHdr, "first:"+id.String())
	m.Header.Set(nats.ExpectedLastSubjSeqHdr, "0")
	return m, nil
}

// Exists reports whether an error says that a record of the same call, or a newer one, is there.
func Exists(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// Finish stores what a call came to. It may be called again after an error.
func Finish(ctx context.Context, js jetstream.JetStream, id ID, r Record) error {
	m, err := r.message(id, js.Conn().MaxPayload()-headerRoom)
	if err != nil {
		return err
	}
	if err := publish(ctx, js, m); err != nil || r.Call.Callback == "" {
		return err
	}
	return wantCallback(ctx, js, id, r)
}

func publish(ctx context.Context, js jetstream.JetStream, m *nats.Msg) error {
	if _, err := js.PublishMsg(ctx, m, jetstream.WithExpectStream(stream.ResultStream)); err != nil {
		return fmt.Errorf("store result: %w", err)
	}
	return nil
}

// Note stores how far a call has come, unless it has come further: nothing is stored after what it came to, but for a dead call that is
// replayed, nor after a later attempt.
func Note(ctx context.Context, js jetstream.JetStream, id ID, r Record, replayed bool) error {
	last, sequence, err := Read(ctx, js.Conn(), id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	over := last.State == Done || last.State == Dead && !replayed
	if over || last.State != Dead && last.Attempts > r.Attempts {
		return nil
	}
	m, err := r.message(id, 0)
	if err != nil {
		return err
	}
	m.Header.Set(nats.ExpectedLastSubjSeqHdr, strconv.FormatUint(sequence, 10))
	if err := publish(ctx, js, m); err != nil && !Exists(err) {
		return err
	}
	return nil
}

// Read returns the record of a call and its sequence. The error wraps ErrNotFound if there is none.
func Read(ctx context.Context, nc *nats.Conn, id ID) (Record, uint64, error) {
	subject, err := id.subject()
	if err != nil {
		return Record{}, 0, err
	}
	m, err := nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+stream.ResultStream+"."+subject, nil)
	if err != nil {
		return Record{}, 0, fmt.Errorf("read result: %w", err)
	}
	switch status := m.Header.Get("Status"); status {
	case "":
	case "404":
		return Record{}, 0, ErrNotFound
	default:
		return Record{}, 0, fmt.Errorf("read result: %w: %s %s", errAnswer, status, m.Header.Get("Description"))
	}
	sequence, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return Record{}, 0, fmt.Errorf("read result: %w: no sequence", errAnswer)
	}
	r, err := Parse(m)
	return r, sequence, err
}

var errAnswer = errors.New("the server's answer makes no sense")

// Watch sends what a call comes to from now on to ch, if there is room. When it returns, the server that we are connected to knows of it.
func Watch(ctx context.Context, nc *nats.Conn, id ID, ch chan<- Record) (stop func(), err error) {
	subject, err := id.subject()
	if err != nil {
		return nil, err
	}
	sub, err := nc.Subscribe(subject, func(m *nats.Msg) {
		if r, err := Parse(m); err == nil && r.State.Final() {
			select {
			case ch <- r:
			default: // there is one
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("watch result: %w", err)
	}
	stop = func() { _ = sub.Unsubscribe() } // it fails only on a connection that is closed already
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := nc.FlushWithContext(ctx); err != nil {
		stop()
		return nil, fmt.Errorf("watch result: %w", err)
	}
	return stop, nil
}
