package sidecar

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// onlyOnce is no retry at all.
var onlyOnce = function.Retry{MaxAttempts: 1}

const (
	// wholeSize is how large an answer may be that is sent as one message, and how much of an answer is here at any time.
	wholeSize = 64 << 10

	// pieceSize is how much is sent at once of an answer that says beforehand that it is larger than that. So much is held here, and in
	// the bridge, for each reader that is slow.
	pieceSize = 16 << 10

	// pieceSilence is how long an answer that has begun may say nothing before its reader is told that there is more to come.
	pieceSilence = 5 * time.Second
)

var errCallerLeft = errors.New("the caller has left")

var _ invoke.Responder = (*responder)(nil)

// responder sends the answer to one call to whoever waits for it. An answer that fits into one piece is one message, and nobody
// waits for its arrival. Of a longer one each piece is sent when the reader has taken the one before it: that bounds what is here
// and there, and holds up a handler that is faster than its reader.
type responder struct {
	s       *Sidecar
	subject string
	ctx     context.Context // of the call: an Invoker's Responder has none of its own
	cancel  context.CancelFunc
	begun   bool // somebody may have seen the beginning; only the call's goroutine looks

	mu     sync.Mutex // a piece is being made or sent
	header nats.Header
	body   []byte
	limit  int // of body
	part   int
	sender string      // "" until there is more than one piece
	alive  *time.Timer // nil until there is more than one piece
}

func (s *Sidecar) newResponder(ctx context.Context, subject string, deadline time.Time) *responder {
	r := &responder{s: s, subject: subject}
	r.ctx, r.cancel = context.WithDeadline(ctx, deadline)
	return r
}

// close ends what the responder has running.
func (r *responder) close() {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.alive != nil {
		r.alive.Stop()
	}
}

// Begin takes the status and the header.
func (r *responder) Begin(status int, fields []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = true
	if r.limit = wholeSize; lengthOf(fields) > wholeSize {
		r.limit = pieceSize
	}
	r.header = nats.Header{event.HeaderStatus: {strconv.Itoa(status)}, event.HeaderField: fields}
	return nil
}

// lengthOf is what the header of an answer says of the length of its body, 0 if it does not say.
func lengthOf(fields []string) int64 {
	for _, field := range fields {
		if name, value, _ := strings.Cut(field, ":"); strings.EqualFold(name, "content-length") {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// Write takes a piece of the body, and sends what has become large enough.
func (r *responder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for rest := p; len(rest) > 0; {
		n := min(r.limit-len(r.body), len(rest))
		r.body = append(r.body, rest[:n]...)
		if rest = rest[n:]; len(r.body) < r.limit {
			break
		}
		if err := r.send(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Flush sends what is there.
func (r *responder) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.body) == 0 && r.part > 0 {
		return nil
	}
	return r.send()
}

// send sends a piece that is not the last, and waits until its reader wants more. mu is held.
func (r *responder) send() error {
	if r.sender == "" {
		r.sender = nuid.Next()
	}
	if r.alive != nil {
		r.alive.Stop() // while this waits there is nothing more to say
	}
	m := r.piece()
	m.Header.Set(event.HeaderSender, r.sender)
	answer, err := r.s.nc.RequestMsgWithContext(r.ctx, m)
	if err == nil && answer.Header.Get(event.HeaderGone) != "" || errors.Is(err, nats.ErrNoResponders) {
		err = errCallerLeft
	}
	if err != nil {
		r.cancel()
		return err
	}
	r.part++
	r.body = r.body[:0]
	if r.alive == nil {
		r.alive = time.AfterFunc(pieceSilence, r.keepAlive)
	} else {
		r.alive.Reset(pieceSilence)
	}
	return nil
}

// keepAlive sends an empty piece: a reader can tell a handler that is silent from a sidecar that is gone, and a caller who has
// left is found out although nothing is said.
func (r *responder) keepAlive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() == nil {
		_ = r.send() // it has ended the call
	}
}

// piece is the next message, good while mu is held: the client copies what it sends.
func (r *responder) piece() *nats.Msg {
	m := &nats.Msg{Subject: r.subject, Header: nats.Header{event.HeaderPart: {strconv.Itoa(r.part)}}, Data: r.body}
	if r.part == 0 {
		for name, values := range r.header {
			m.Header[name] = values
		}
	}
	return m
}

// end sends the last piece.
func (r *responder) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.piece()
	m.Header.Set(event.HeaderLast, "1")
	return r.finish(m)
}

// fail says that there is no answer, or no more of it.
func (r *responder) fail(code, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &nats.Msg{Subject: r.subject, Header: nats.Header{event.HeaderFailure: {code}}, Data: []byte(text)}
	if err := r.finish(m); err != nil {
		r.s.log.Debug("caller not told that its call failed", zap.Error(err))
	}
}

// finish publishes a message that nobody answers. mu is held.
func (r *responder) finish(m *nats.Msg) error {
	if r.sender != "" {
		m.Header.Set(event.HeaderSender, r.sender)
	}
	return r.s.nc.PublishMsg(m)
}

// reply sends what a handler returned that does not speak HTTP: the data of its event, or nothing.
func (r *responder) reply(e *event.Event) {
	a := answerOf(e)
	_ = r.Begin(a.Status, a.Fields) // it cannot fail
	if _, err := r.Write(a.Body); err != nil {
		return
	}
	if err := r.end(); err != nil {
		r.s.log.Debug("answer not sent", zap.Error(err))
	}
}
