package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
)

const headerRequestID = "X-Request-Id"

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int // 0 until the answer begins
}

// WriteHeader notes the status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the answer if nothing has.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// serveHTTP answers one request, whatever happens.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	c := connOf(r)
	c.begin()
	defer c.end()
	c.load.budget = &s.bodies
	defer c.load.put()
	rec := &recorder{ResponseWriter: w}
	rec.Header().Set(headerRequestID, uuid.Must(uuid.NewV7()).String())
	defer s.finish(rec, r)
	if p := s.handle(rec, r); p != nil {
		if p.Status == http.StatusServiceUnavailable && errors.Is(p.cause, context.Canceled) && r.Context().Err() != nil {
			panic(http.ErrAbortHandler) // the caller has left: nobody is answered, and the store is not to blame
		}
		s.refuse(rec, r, p)
	}
}

// finish counts the answer. A panic becomes an answer if none has begun, and ends the connection if one has.
func (s *Server) finish(w *recorder, r *http.Request) {
	//nolint:errorlint // net/http compares so too: nobody wraps it
	if v := recover(); v != nil && v != http.ErrAbortHandler {
		s.log.Error("handler panicked", zap.String("request_id", w.Header().Get(headerRequestID)),
			zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
		if w.status != 0 {
			s.metrics.answered(w.status)
			panic(http.ErrAbortHandler)
		}
		s.refuse(w, r, kindInternal.refuse("The request was not carried out. Its id finds the cause in the log."))
	} else if v != nil {
		panic(v)
	}
	if w.status == 0 {
		w.status = http.StatusOK // what net/http makes of a handler that wrote nothing
	}
	s.metrics.answered(w.status)
}

// handle finds out what is asked for and does it. Who asks is checked before what is there.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) *problem {
	if t, ok := s.webhookTarget(r); ok {
		return s.acceptWebhook(w, r, t)
	}
	if p := s.guard.admit(r); p != nil {
		return p
	}
	path := r.URL.EscapedPath()
	takesEvents := isEventsPath(path) || isInvocationsPath(path) || s.takes(path)
	if h, _ := lookUp(s.cfg.Public, path); h != nil && !takesEvents {
		return serveMounted(h, w, r)
	}
	r, p := s.authorize(r)
	if p != nil {
		return p
	}
	if h, _ := lookUp(s.cfg.Handlers, path); h != nil && !takesEvents {
		return serveMounted(h, w, r)
	}
	if isInvocationsPath(path) {
		connOf(r).answering()
		return s.invocation(w, r)
	}
	t, p := s.find(r)
	if p != nil {
		return p
	}
	if t.webhook != nil {
		return s.acceptWebhook(w, r, t) // whatever way leads to it, it is verified
	}
	if s.mayBeLarge(r, t) {
		return s.acceptLarge(w, r, t)
	}
	body, p := s.readBody(w, r, t)
	if p != nil {
		return p
	}
	return s.give(w, r, t, body)
}

// give hands a request on whose body is here.
func (s *Server) give(w http.ResponseWriter, r *http.Request, t target, body []byte) *problem {
	connOf(r).answering()
	if t.wantsLater(r) {
		return s.callLater(w, r, t, body)
	}
	if p := refuseCallback(r); p != nil {
		return p
	}
	if t.sync {
		return s.callInTurn(w, r, t, body)
	}
	return s.accept(w, r, t, body)
}

func serveMounted(h http.Handler, w http.ResponseWriter, r *http.Request) *problem {
	connOf(r).answering()
	h.ServeHTTP(w, r)
	return nil
}

// lingerTimeout is how long a refused request may go on sending its body before its connection is closed.
const lingerTimeout = time.Second

// refuse answers with p. Unless all is well with the request itself the connection ends: what follows a request that was
// wrong is not trusted to be where it seems to be, and a body that was not read need not be.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, p *problem) {
	if p.Status == http.StatusNoContent {
		for name, values := range p.header {
			w.Header()[name] = values
		}
		w.WriteHeader(p.Status)
		return
	}
	if p.Status != http.StatusServiceUnavailable {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerTimeout)) // a closed connection needs none
	}
	err := p.write(w)
	level := zap.DebugLevel
	if p.Status >= http.StatusInternalServerError || p.Code == kindSignature.code {
		level = zap.WarnLevel
	}
	s.log.Log(level, "request refused", zap.String("request_id", w.Header().Get(headerRequestID)), zap.Int("status", p.Status),
		zap.String("code", p.Code), zap.String("method", clip(r.Method)), zap.String("path", clip(r.URL.EscapedPath())),
		zap.NamedError("cause", p.cause), zap.NamedError("write_error", err))
}

// clip bounds foreign text in a log line; the encoder escapes it.
func clip(s string) string {
	const maxClip = 128
	if len(s) > maxClip {
		return fmt.Sprintf("%s... (%d bytes)", s[:maxClip], len(s))
	}
	return s
}
