package bridge

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// call gives a request to a function by way of its queue, and answers with what the function says. The queue holds the request while
// the function starts.
func (s *Server) call(w http.ResponseWriter, r *http.Request, t target, body []byte) *problem {
	mode, events, p := s.read(r, t, body)
	if p != nil {
		return p
	}
	if mode == event.ModeBatch {
		return kindBatchCall.refuse("A caller who waits gets one answer. Send the events one by one, or to %s.", eventsPath)
	}
	one, err := s.callers.add(t.namespace, t.function)
	if err != nil {
		return kindInternal.refuse("The request was not carried out.").because(err)
	}
	defer s.callers.remove(one)
	ctx, cancel := context.WithTimeout(r.Context(), t.patience(r))
	defer cancel()
	m, p := s.callMessage(ctx, r, t, events[0], one)
	if p != nil {
		return p
	}
	hold(ctx, w)
	sequence, p := s.storeCall(ctx, r, m)
	if p != nil {
		return p
	}
	return s.await(ctx, w, r, one, sequence)
}

// callMessage makes what is stored for a request. A call is never taken for the same as another: who waits wants an answer of his own.
func (s *Server) callMessage(ctx context.Context, r *http.Request, t target, e *event.Event, one *caller) (*nats.Msg, *problem) {
	t.scope = append(t.scope[:len(t.scope):len(t.scope)], one.subject)
	m, p := s.message(t, e)
	if p != nil {
		return nil, p
	}
	deadline, _ := ctx.Deadline() // there is one
	m.Header.Set(event.HeaderAnswer, one.subject)
	m.Header.Set(event.HeaderExpires, deadline.UTC().Format(time.RFC3339Nano))
	if t.plain {
		return m, s.forward(m, r)
	}
	return m, checkSize(m, s.maxMessage())
}

// patience is how long a caller waits: as long as one attempt may take, or less if he says so (RFC 7240).
func (t target) patience(r *http.Request) time.Duration {
	for name, value := range preferences(r) {
		seconds, err := strconv.Atoi(value)
		if name == "wait" && err == nil && seconds > 0 && seconds < int(t.timeout/time.Second) {
			return time.Duration(seconds) * time.Second
		}
	}
	return t.timeout
}

// hold keeps the connection of a request open for as long as its caller waits. While nothing is read, its end is noticed.
func hold(ctx context.Context, w http.ResponseWriter) {
	deadline, _ := ctx.Deadline()
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{}) // a closed connection needs none
	_ = rc.SetWriteDeadline(deadline.Add(DefaultWriteTimeout))
}

// await waits for the answer, and writes it.
func (s *Server) await(ctx context.Context, w http.ResponseWriter, r *http.Request, one *caller, sequence uint64) *problem {
	select {
	case m := <-one.parts:
		return s.answer(ctx, w, r, one, m)
	case <-ctx.Done():
	}
	s.withdraw(sequence)
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // there is nobody to answer
	}
	return kindNoAnswer.refuse("The function has not answered in time. If it has not begun yet, it will not.")
}

// withdraw takes a request back that nobody waits for. If a call has begun already it goes on; if not, none will.
func (s *Server) withdraw(sequence uint64) {
	body := []byte(`{"seq":` + strconv.FormatUint(sequence, 10) + `,"no_erase":true}`)
	// Without an answer wanted this costs no round trip; if it gets lost the request expires where it is.
	_ = s.conn.Publish("$JS.API.STREAM.MSG.DELETE."+stream.WorkStream, body)
}

// answer writes an answer that begins with m.
func (s *Server) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, one *caller, m *nats.Msg) *problem {
	if code := m.Header.Get(event.HeaderFailure); code != "" {
		return refuseCall(code, string(m.Data))
	}
	status, err := strconv.Atoi(m.Header.Get(event.HeaderStatus))
	if err != nil || status < 200 || status > 599 || m.Header.Get(event.HeaderPart) != "0" {
		_ = s.callers.gone(m)
		return kindBadAnswer.refuse("The answer of the function could not be read.")
	}
	copyFields(w.Header(), m.Header[event.HeaderField])
	last := m.Header.Get(event.HeaderLast) != ""
	if last && r.Method != http.MethodHead && status != http.StatusNoContent && status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(m.Data)))
	}
	w.WriteHeader(status)
	if last {
		_, _ = w.Write(m.Data)                    // a caller who has left needs no answer
		_ = http.NewResponseController(w).Flush() // what is written later counts as net/http's own words: see conn.Write
		return nil
	}
	s.stream(ctx, w, one, m)
	return nil
}
