package order

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// paper is the message that says who leads, and what must outlive a leader.
type paper struct {
	Leader   string    `json:"leader"`             // the name of a replica's life: another life has another
	Replica  string    `json:"replica"`            // for people
	Epoch    uint64    `json:"epoch"`              // of its term
	Released bool      `json:"released,omitempty"` // it does not lead any more
	Idle     bool      `json:"idle,omitempty"`     // and nothing that it granted was out
	Members  []string  `json:"members,omitempty"`  // other replicas that may have grants
	At       time.Time `json:"at"`                 // when it was written, by the clock that Due is of
	Failing  []failing `json:"failing,omitempty"`
}

// failures returns what must outlive its leader, with times by our clock.
func (p *paper) failures(now time.Time) map[ID]Failure {
	all := make(map[ID]Failure, len(p.Failing))
	for _, f := range p.Failing {
		if !f.Due.IsZero() {
			f.Due = now.Add(f.Due.Sub(p.At))
		}
		all[f.ID] = f.Failure
	}
	return all
}

// atWork returns those who may have grants: all that are named, and the leader itself if it has gone with some of its own out.
// One that has not given up leading has cut its calls before another may lead.
func (p *paper) atWork() []string {
	switch {
	case !p.Released:
		return p.Members
	case p.Idle:
		return nil
	}
	return append(p.Members, p.Leader)
}

type failing struct {
	ID
	Failure
}

// errTaken says that another one has written the lease.
var errTaken = errors.New("another replica leads")

// lease reads and writes who leads one function. One goroutine uses it at a time.
type lease struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	subject string
	me      string
	replica string

	last uint64 // the sequence of what we have read or written last; 0 is nothing there
}

func newLease(nc *nats.Conn, key function.Key, me, replica string) (*lease, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	return &lease{nc: nc, js: js, subject: stream.LeaseSubject(key), me: me, replica: replica}, nil
}

// read returns what is written, and notes its sequence. A function that nobody has led yet has an empty one.
func (l *lease) read(ctx context.Context) (paper, error) {
	m, err := l.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+stream.LeaseStream+"."+l.subject, nil)
	if err != nil {
		return paper{}, fmt.Errorf("read lease %s: %w", l.subject, err)
	}
	switch status := m.Header.Get("Status"); status {
	case "":
	case "404":
		l.last = 0
		return paper{Released: true, Idle: true}, nil
	default:
		return paper{}, fmt.Errorf("read lease %s: %w: %s %s", l.subject, errAnswer, status, m.Header.Get("Description"))
	}
	sequence, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return paper{}, fmt.Errorf("read lease %s: %w: no sequence", l.subject, errAnswer)
	}
	var p paper
	if err := json.Unmarshal(m.Data, &p); err != nil {
		return paper{}, fmt.Errorf("read lease %s: %w", l.subject, err)
	}
	l.last = sequence
	return p, nil
}

var errAnswer = errors.New("the server's answer makes no sense")

// write writes the lease if nobody else has since it was read. It returns errTaken if somebody has; after any other error it
// may be written or not, and writing it once more finds out.
func (l *lease) write(ctx context.Context, p paper) error {
	p.Leader, p.Replica = l.me, l.replica
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode lease: %w", err)
	}
	ack, err := l.js.Publish(ctx, l.subject, body, jetstream.WithExpectLastSequencePerSubject(l.last))
	if isWrongSequence(err) {
		// It may have been ourselves, if the answer to an earlier try was lost: nobody else writes our name.
		have, err := l.read(ctx)
		switch {
		case err != nil:
			return err
		case have.Leader != l.me:
			return errTaken
		}
		ack, err = l.js.Publish(ctx, l.subject, body, jetstream.WithExpectLastSequencePerSubject(l.last))
		if isWrongSequence(err) {
			return errTaken
		}
		return l.wrote(ack, err)
	}
	return l.wrote(ack, err)
}

func (l *lease) wrote(ack *jetstream.PubAck, err error) error {
	if err != nil {
		return fmt.Errorf("write lease %s: %w", l.subject, err)
	}
	l.last = ack.Sequence
	return nil
}

// errCodeWrongSequence is the server's code for a message that expected another one before it.
const errCodeWrongSequence = 10071

func isWrongSequence(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == errCodeWrongSequence
}

// watch is what one who does not lead has seen of the lease.
type watch struct {
	sequence uint64
	since    time.Time
}

// free reports whether the lease may be taken: its writer has given it up, or has not written for so long that it must know
// itself that it does not lead.
func (w *watch) free(p paper, sequence uint64, now time.Time) bool {
	if p.Released {
		return true
	}
	if w.since.IsZero() || w.sequence != sequence {
		w.sequence, w.since = sequence, now
		return false
	}
	return now.Sub(w.since) >= takeover
}
