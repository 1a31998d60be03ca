package bridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/claim"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// large is a body that is kept in pieces beside the queue, for the event that is made of its request.
type large struct {
	ref    claim.Ref
	needed bool // its event is in the queue. One that was stored before has a body of its own
	maybe  bool // its event may be in the queue, for all that is known: it is a duplicate when it is sent again, and has this body
}

// mark gives a message its claim to the body, if there is one. What the data is could not be guessed from it.
func (l *large) mark(m *nats.Msg) {
	if l == nil {
		return
	}
	m.Header.Set(event.HeaderBody, l.ref.String())
	const contentType = "ce-datacontenttype"
	if len(m.Header[contentType]) == 0 {
		m.Header[contentType] = []string{"application/octet-stream"}
	}
}

func (l *large) stored(acks []Ack) {
	if l != nil {
		l.needed = !slices.ContainsFunc(acks, func(a Ack) bool { return a.Duplicate })
	}
}

// notStored notes why an event was not stored, as far as is known.
func (l *large) notStored(err error) {
	if l != nil {
		l.maybe = isUnknown(err)
	}
}

// mayBeLarge reports whether the body of a request may be too large for memory, and may be that. Events in a format of their own
// have to be read as a whole.
func (s *Server) mayBeLarge(r *http.Request, t target) bool {
	return t.maxBody > s.cfg.MaxBody && (r.ContentLength < 0 || r.ContentLength > s.cfg.MaxBody) &&
		(t.plain || !isEventFormat(r.Header.Get("Content-Type")))
}

// acceptLarge keeps the body of a request in pieces, and then does with the request what is done with others. Who reads the body
// removes it, once nobody needs it any more; here it is removed if it is certain that nobody will read it.
func (s *Server) acceptLarge(w http.ResponseWriter, r *http.Request, t target) *problem {
	if p := s.beginBody(w, r, t, t.maxBody); p != nil {
		return p
	}
	var start []byte
	if r.ContentLength < 0 {
		var whole bool
		var p *problem
		if start, whole, p = s.readAll(r, t); p != nil {
			return p
		}
		if whole {
			return s.give(w, r, t, start)
		}
	}
	key, waits := function.Key{Namespace: t.namespace, Name: t.function}, t.sync && !t.wantsLater(r)
	ref, p := s.keepBody(w, r, t, key, waits, start)
	if p != nil {
		return p.with("Connection", "close") // what is left of the body is in the way
	}
	t.large = &large{ref: ref, needed: waits}
	p = s.give(w, r, t, nil)
	switch {
	case t.large.maybe, p != nil && p.Code == kindStoreTimeout.code: // if it is not in the queue, the janitor removes the body
	case !t.large.needed, p != nil: // a call that has failed by now does not begin any more
		s.dropBody(r.Context(), key, ref)
	}
	return p
}

// keepBody stores what has been read of a body and all that is still to come. A body of a call that is waited for goes by itself.
func (s *Server) keepBody(w http.ResponseWriter, r *http.Request, t target, key function.Key, waits bool, start []byte) (claim.Ref, *problem) {
	put, p := s.takeShare(r)
	if p != nil {
		return claim.Ref{}, p
	}
	defer put()
	if !connOf(r).load.grow(s.bodies.max/2, 0, 2*claim.PieceSize) { // the half is for others
		return claim.Ref{}, s.noRoomForLarge()
	}
	cfg := claim.Config{Timeout: s.cfg.StoreTimeout}
	if waits {
		cfg.Lasts = s.lastsFor(t)
	}
	rest := &paced{s: s, r: r, control: http.NewResponseController(w), room: t.maxBody - int64(len(start))}
	ref, err := claim.Put(r.Context(), s.js, key, cfg, io.MultiReader(bytes.NewReader(start), rest))
	if err != nil {
		return claim.Ref{}, s.refuseLarge(err, t)
	}
	return ref, nil
}

// lastsFor is how long the body of a call may be of use at most: for as long as the slowest caller may take to send it, and then for
// as long as it is waited for. No call begins later. So what nobody removes, as its caller has left, goes by itself.
func (s *Server) lastsFor(t target) time.Duration {
	pieces := t.maxBody/claim.PieceSize + 1
	return time.Duration(pieces)*(s.cfg.ReadTimeout+s.cfg.StoreTimeout) + t.timeout + time.Minute
}

// dropBody removes a body that nobody will read. What it leaves when the server cannot be reached, the janitor of bodies removes.
func (s *Server) dropBody(ctx context.Context, key function.Key, ref claim.Ref) {
	if err := claim.Remove(context.WithoutCancel(ctx), s.js, key, ref); err != nil {
		s.log.Debug("large body not removed", zap.Stringer("function", key), zap.Error(err))
	}
}

var errNoMore = errors.New("the body is larger than it may be")

// paced reads a body whose sender may take his time, but not too much: each piece has the time of a whole small request.
type paced struct {
	s       *Server
	r       *http.Request
	control *http.ResponseController
	room    int64 // bytes that may still come
	due     int64 // of these, before the deadline that is set
}

// Read reads within the time.
func (b *paced) Read(p []byte) (int, error) {
	if b.due <= 0 {
		b.due = claim.PieceSize
		now := time.Now()
		_ = b.control.SetReadDeadline(now.Add(b.s.cfg.ReadTimeout)) // a closed connection needs none
		_ = b.control.SetWriteDeadline(now.Add(b.s.cfg.ReadTimeout + b.s.cfg.WriteTimeout))
		connOf(b.r).begin() // it is not one that has been silent for long
	}
	n, err := b.r.Body.Read(p[:min(int64(len(p)), b.due)])
	b.due -= int64(n)
	if b.room -= int64(n); b.room < 0 {
		return 0, errNoMore
	}
	return n, err
}

// refuseLarge says what it means for the caller that a body was not kept. Nothing of it is left.
func (s *Server) refuseLarge(err error, t target) *problem {
	read, ok := errors.AsType[*claim.ReadError](err)
	netErr, slow := errors.AsType[net.Error](err)
	switch {
	case ok && errors.Is(err, errNoMore):
		return bodyTooLarge(t.maxBody, t)
	case ok && slow && netErr.Timeout():
		return kindSlowBody.refuse("Of a large body, each %d bytes must arrive within %s.", claim.PieceSize, s.cfg.ReadTimeout).because(err)
	case ok:
		return s.bodyFault(read.Err)
	case slices.ContainsFunc(codesFull, func(code jetstream.ErrorCode) bool { return hasCode(err, code) }):
		return kindFull.refuse("There is no room for the body. Send the request again later.").because(err).retryLater()
	}
	return kindUnavailable.refuse("The body could not be stored, and nothing of the request is kept. Send it again later.").
		because(err).retryLater()
}
