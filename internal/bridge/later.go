package bridge

import (
	"net/http"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/access"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/result"
)

// wantsLater reports whether a request is a call of a function whose caller asks for the answer later.
func (t target) wantsLater(r *http.Request) bool {
	return t.work && t.webhook == nil && prefersLater(r)
}

// callLater stores a call, and tells its caller where he can ask what became of it. The record of it is stored first: so there is never a
// call that nobody knows of, and nothing that is written here replaces what is known of one that has begun. Of a record whose call could
// not be stored nobody knows the id.
func (s *Server) callLater(w http.ResponseWriter, r *http.Request, t target, body []byte) *problem {
	sync := t.sync
	t.sync = false // a caller who does not wait may use an Idempotency-Key
	mode, events, p := s.read(r, t, body)
	if p != nil {
		return p
	}
	if mode == event.ModeBatch && sync {
		return kindBatchCall.refuse("A call has one answer. Send the events one by one, or to %s.", eventsPath)
	}
	if mode == event.ModeBatch {
		if p := refuseCallback(r); p != nil {
			return p
		}
		return s.keep(w, r, t, mode, events) // the preference is not honoured, and the answer does not say so
	}
	one, m, p := s.laterMessage(r, t, mode, events[0])
	if p != nil {
		return p
	}
	known, p := s.storeFirst(r.Context(), one)
	if p != nil {
		return p
	}
	if known.State == result.Queued && !known.Stored { // if it has been taken from the queue, it was in there
		acks, p := s.store(r.Context(), t, []*nats.Msg{m})
		if p != nil {
			return one.refuse(p)
		}
		s.metrics.stored(acks)
		if one.keyed && !s.isKnown(r.Context(), one, known, acks[0]) {
			writeAccepted(w, events[0], m, acks[0])
			return nil
		}
	}
	w.Header().Set("Location", invocationsPath+"/"+one.id.String())
	w.Header().Set("Preference-Applied", "respond-async")
	_ = writeJSON(w, http.StatusAccepted, "application/json", invocationOf(one.id, known.Record)) // a caller who has left asks again
	return nil
}

// promised is a call whose caller is told its id.
type promised struct {
	id    result.ID
	call  result.Call
	keyed bool // the same request is the same call
}

// laterMessage makes the event of a call and its id. With an Idempotency-Key the id follows from it, from who sends it and to where;
// without one, two calls are never taken for the same.
func (s *Server) laterMessage(r *http.Request, t target, mode event.Mode, e *event.Event) (promised, *nats.Msg, *problem) {
	c, _ := r.Context().Value(callerKey{}).(access.Caller)
	one := promised{
		id:    result.ID{Namespace: t.namespace, Function: t.function, Token: result.NewToken()},
		call:  result.Call{Event: e.ID, Caller: c.Name, Created: time.Now().UTC(), Keep: int(s.cfg.KeepResults / time.Second)},
		keyed: mode == event.ModeNone && len(r.Header.Values("Idempotency-Key")) > 0,
	}
	var p *problem
	if one.call.Callback, p = t.callback(r); p != nil {
		return one, nil, p
	}
	if one.keyed {
		t = t.keyed(r)
		one.id.Token = event.MessageID(e.Source, e.ID, append(t.scope[:len(t.scope):len(t.scope)], "result")...)
	} else {
		t.scope = append(t.scope[:len(t.scope):len(t.scope)], one.id.Token)
	}
	one.call.Token = one.id.Token
	m, p := s.message(t, e)
	if p != nil {
		return one, nil, p
	}
	if err := one.call.Attach(m); err != nil {
		return one, nil, kindInternal.refuse("The request was not carried out.").because(err)
	}
	if t.plain {
		return one, m, s.forward(m, r)
	}
	return one, m, checkSize(m, s.maxMessage())
}

// refuseFirst says what it means that the record of a call is not known to be stored. Nothing else has been.
func refuseFirst(err error) *problem {
	if err == nil {
		return nil
	}
	const nothing = "The call was not stored, as what becomes of it could not be kept. Send it again later, or without Prefer: respond-async."
	if p := refuseStore(err); p.Code == kindFull.code {
		return kindFull.refuse(nothing).because(err).retryLater()
	}
	return kindUnavailable.refuse(nothing).because(err).retryLater()
}

// refuse says of a call what a failed store means to its caller.
func (one promised) refuse(p *problem) *problem {
	if p.Code != kindStoreTimeout.code || one.keyed {
		return p
	}
	return kindStoreTimeout.refuse("It is not known whether the call was stored, and nothing makes another request the same one. " +
		"Send it again only if it does no harm to do it twice; with an Idempotency-Key it would be done once.").because(p.cause).retryLater()
}
