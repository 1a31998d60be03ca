package bridge

import (
	"context"
	"math"
	"net/http"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/access"
)

type callerKey struct{}

// authorize finds out who asks and whether he may, as far as the header says. What is behind stays hidden: it comes before
// every 404. The request it returns knows its caller and has the token no more: what goes on to functions is for everybody
// to read who reads the queue.
func (s *Server) authorize(r *http.Request) (*http.Request, *problem) {
	if !s.cfg.asks() && s.cfg.Access == nil {
		return r, nil
	}
	if s.guard.isToken(r) {
		r.Header.Del("Authorization")
		return r, nil
	}
	if s.cfg.Access == nil {
		return nil, kindUnauthorized.refuse(sendToken).with("Www-Authenticate", challenge)
	}
	c, refused := s.cfg.Access.Identify(r.Context(), r)
	if refused == nil {
		refused = s.cfg.Access.Take(c)
	}
	if refused == nil {
		refused = s.mayAsk(c, r)
	}
	if refused != nil {
		return nil, refuseCaller(refused)
	}
	if s.cfg.asks() {
		r.Header.Del("Authorization")
	}
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c)), nil
}

// mayAsk decides by the path. Who may send events is said by their subjects, and the path of most names one.
func (s *Server) mayAsk(c access.Caller, r *http.Request) *access.Refusal {
	path := r.URL.EscapedPath()
	if isInvocationsPath(path) {
		return nil // of what he has asked for, everybody may hear what became
	}
	if !isEventsPath(path) {
		return s.cfg.Access.MayAsk(c, r.Method, path)
	}
	if subject, ok := subjectOfPath(path); ok && path != eventsPath {
		return s.cfg.Access.MayPublish(c, subject)
	}
	return nil
}

// mayPublish decides over events that say themselves where they go: all of a request, before any is stored.
func (s *Server) mayPublish(r *http.Request, t target, msgs []*nats.Msg) *problem {
	c, known := r.Context().Value(callerKey{}).(access.Caller)
	if !known || t.subject != "" {
		return nil
	}
	for _, m := range msgs {
		if refused := s.cfg.Access.MayPublish(c, m.Subject); refused != nil {
			return refuseCaller(refused)
		}
	}
	return nil
}

// challenge tells a client which way of showing who it is there is (RFC 6750).
const challenge = `Bearer realm="pelton"`

const sendToken = "Send the token in the header: Authorization: Bearer TOKEN."

func refuseCaller(r *access.Refusal) *problem {
	switch r.Reason {
	case access.NoToken:
		return kindUnauthorized.refuse("%s %s", r.Detail, sendToken).with("Www-Authenticate", challenge)
	case access.Forbidden:
		return kindForbidden.refuse("%s", r.Detail).with("Www-Authenticate", challenge+`, error="insufficient_scope"`)
	case access.TooMany:
		return kindRateLimited.refuse("%s", r.Detail).with("Retry-After", seconds(r))
	case access.NoKeys:
		return kindNoKeys.refuse("%s", r.Detail).with("Retry-After", seconds(r)).because(r.Err)
	case access.BadToken:
	}
	return kindUnauthorized.refuse("The token was not taken. %s %s", r.Detail, sendToken).
		with("Www-Authenticate", challenge+`, error="invalid_token"`).because(r.Err)
}

// seconds is when to ask again: whole seconds, and not a moment too early.
func seconds(r *access.Refusal) string {
	return strconv.Itoa(max(1, int(math.Ceil(r.RetryAfter.Seconds()))))
}
