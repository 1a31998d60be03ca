package result

import (
	"cmp"
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

// casTries is how often a record is looked at that somebody else replaces at the same time.
const casTries = 5

// Finish stores what a call came to, unless the word of a later attempt is there, or it is dead here and done there. It may be called
// again after an error.
func Finish(ctx context.Context, js jetstream.JetStream, id ID, r Record) error {
	stored, err := replace(ctx, js, id, r, js.Conn().MaxPayload()-headerRoom, r.ends)
	if err != nil || stored == 0 || r.Call.Callback == "" {
		return err
	}
	return wantCallback(ctx, js, id, r)
}

// Note stores how far a call has come, unless it has come further: nothing is stored after what it came to, but for a dead call that is
// replayed, nor after a later attempt.
func Note(ctx context.Context, js jetstream.JetStream, id ID, r Record) error {
	_, err := replace(ctx, js, id, r, 0, r.follows)
	return err
}

// MarkStored notes of a call that waits that it is in its queue.
func MarkStored(ctx context.Context, js jetstream.JetStream, id ID, r Record) error {
	r.Stored = true
	_, err := replace(ctx, js, id, r, 0, func(last Record) bool { return last.State == Queued && !last.Stored })
	return err
}

// Forget takes back the first record of a call, which is at sequence, and reports whether somebody else has written another one since.
func Forget(ctx context.Context, js jetstream.JetStream, id ID, r Record, sequence uint64) (others bool, err error) {
	r.State = forgotten
	m, err := r.message(id, 0)
	if err != nil {
		return false, err
	}
	m.Header.Set(nats.ExpectedLastSubjSeqHdr, strconv.FormatUint(sequence, 10))
	m.Header.Set(jetstream.MsgTTLHeader, "1s")
	if _, err = publish(ctx, js, m); Exists(err) {
		return true, nil
	}
	return false, err
}

// replace stores r in at most room bytes if it may replace the last record, and returns its sequence, 0 if it may not.
func replace(
	ctx context.Context, js jetstream.JetStream, id ID, r Record, room int64, may func(last Record) bool,
) (stored uint64, err error) {
	for range casTries {
		last, sequence, readErr := Read(ctx, js.Conn(), id)
		switch {
		case readErr != nil && !errors.Is(readErr, ErrNotFound):
			return 0, readErr
		case readErr == nil && !may(last):
			return 0, nil
		}
		if stored, err = replaceLast(ctx, js, id, r.since(last), room, sequence); !Exists(err) {
			return stored, err
		}
	}
	return 0, err
}

func replaceLast(ctx context.Context, js jetstream.JetStream, id ID, r Record, room int64, sequence uint64) (uint64, error) {
	m, err := r.message(id, room)
	if err != nil {
		return 0, err
	}
	m.Header.Set(nats.ExpectedLastSubjSeqHdr, strconv.FormatUint(sequence, 10))
	return publish(ctx, js, m)
}

func publish(ctx context.Context, js jetstream.JetStream, m *nats.Msg) (sequence uint64, err error) {
	ack, err := js.PublishMsg(ctx, m, jetstream.WithExpectStream(stream.ResultStream))
	if err != nil {
		return 0, fmt.Errorf("store result: %w", err)
	}
	return ack.Sequence, nil
}

// ends reports whether what a call came to may replace the last record of it.
func (r Record) ends(last Record) bool {
	return !(last.State == Done && r.State == Dead) && r.compare(last) >= 0
}

// follows reports whether how far a call has come may replace the last record of it.
func (r Record) follows(last Record) bool {
	return last.State != Done && (last.State != Dead || r.Origin > last.Origin) && r.compare(last) >= 0
}

// compare orders records by the attempts that say them. Those after a replay are later than all before it.
func (r Record) compare(other Record) int {
	return cmp.Or(cmp.Compare(r.Origin, other.Origin), cmp.Compare(r.attempt(), other.attempt()))
}

func (r Record) attempt() int { return cmp.Or(r.Attempt, r.Attempts) }

// since counts attempts that are known to have begun: one that is not made any more may have, where nothing came of it.
func (r Record) since(last Record) Record {
	if r.Origin == last.Origin {
		r.Attempts = max(r.Attempts, last.Attempts)
	}
	return r
}

// Read returns the record of a call and its sequence. The error wraps ErrNotFound if there is none, or it was taken back.
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
	if err == nil && r.State == forgotten {
		return Record{}, sequence, ErrNotFound
	}
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
