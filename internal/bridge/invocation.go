package bridge

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelton-dev/pelton/internal/access"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/result"
)

// invocationsPath is where it is told what became of calls.
const invocationsPath = "/invocations"

func isInvocationsPath(path string) bool {
	return path == invocationsPath || strings.HasPrefix(path, invocationsPath+"/")
}

// invocation is what is told of a call.
type invocation struct {
	ID       string            `json:"id"`
	Function string            `json:"function"`
	Event    string            `json:"event"`
	State    result.State      `json:"state"`
	Attempts int               `json:"attempts"`          // begun
	Outcome  string            `json:"outcome,omitempty"` // done, or why it is dead
	Reason   string            `json:"reason,omitempty"`  // more of that, or of why there must be another attempt
	Created  time.Time         `json:"created"`
	Next     time.Time         `json:"next,omitzero"` // when the next attempt is due
	Finished time.Time         `json:"finished,omitzero"`
	Expires  time.Time         `json:"expires,omitzero"` // until when this is known
	Result   *invocationAnswer `json:"result,omitempty"`
}

// invocationAnswer is what the handler has answered. Of its body there is one form: text, or base64 where it is none.
type invocationAnswer struct {
	Status     int         `json:"status"`
	Header     http.Header `json:"header"`
	Body       *string     `json:"body,omitempty"`
	BodyBase64 []byte      `json:"bodyBase64,omitempty"`
	TooLarge   bool        `json:"tooLarge,omitempty"` // it could not be kept
}

func invocationOf(id result.ID, r result.Record) invocation {
	i := invocation{
		ID: id.String(), Function: id.Namespace + "/" + id.Function, Event: r.Call.Event, State: r.State, Attempts: r.Attempts,
		Reason: reasonOf(r), Created: r.Call.Created, Next: r.Next,
	}
	if r.State.Final() {
		i.Finished, i.Expires = r.At, r.At.Add(time.Duration(r.Call.Keep)*time.Second)
		i.Outcome, i.Result = outcomeOf(r), answerOf(r.Answer)
	}
	return i
}

func outcomeOf(r result.Record) string {
	if r.State == result.Done {
		return string(result.Done)
	}
	return r.Reason
}

func reasonOf(r result.Record) string {
	if r.State != result.Waiting {
		return r.Text
	}
	return strings.TrimSuffix(r.Reason+": "+r.Text, ": ")
}

func answerOf(a *invoke.Answer) *invocationAnswer {
	if a == nil {
		return nil
	}
	out := &invocationAnswer{Status: a.Status, Header: http.Header{}, TooLarge: a.Cut}
	copyFields(out.Header, a.Fields)
	switch {
	case a.Cut:
	case utf8.Valid(a.Body):
		out.Body = new(string(a.Body))
	default:
		out.BodyBase64 = a.Body
	}
	return out
}

// invocation tells what became of a call, or answers as its handler has.
func (s *Server) invocation(w http.ResponseWriter, r *http.Request) *problem {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refuseMethod(r, map[string]target{http.MethodGet: {}, http.MethodHead: {}})
	}
	text, bare := strings.CutSuffix(strings.TrimPrefix(r.URL.EscapedPath(), invocationsPath+"/"), "/result")
	id, ok := result.ParseID(text)
	if !ok {
		return unknownCall()
	}
	wait, p := waitOf(r)
	if p != nil {
		return p
	}
	record, p := s.recordOf(r, id)
	if p == nil && wait > 0 && !record.State.Final() {
		p = s.inTurn(func() (p *problem) {
			record, p = s.awaitEnd(w, r, id, wait)
			return p
		})
	}
	switch {
	case p != nil:
		return p
	case bare:
		return writeAnswer(w, r, record)
	}
	_ = writeJSON(w, http.StatusOK, "application/json", invocationOf(id, record)) // a caller who has left asks again
	return nil
}

// recordOf reads what is known of a call, for one who may know it.
func (s *Server) recordOf(r *http.Request, id result.ID) (result.Record, *problem) {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.StoreTimeout)
	defer cancel()
	// Whoever has no name has the token of the server, or nobody is asked who he is.
	c, named := r.Context().Value(callerKey{}).(access.Caller)
	record, err := s.readKnown(ctx, id, func(record result.Record) bool { return !named || c.Name == record.Call.Caller })
	switch {
	case errors.Is(err, result.ErrNotFound):
		return record, unknownCall()
	case err != nil:
		return record, kindUnavailable.refuse("What became of the call cannot be read at the moment. Ask again later.").because(err).retryLater()
	}
	return record, nil
}

// unknownCall says the same of what is not there, not there any more, and not for the one who asks.
func unknownCall() *problem {
	return kindNotFound.refuse("No call with this id is known: there never was one, it is not kept any more, or another caller made it. " +
		"Use the Location of an answer to Prefer: respond-async.")
}

// writeAnswer answers as the handler did, or says why it cannot.
func writeAnswer(w http.ResponseWriter, r *http.Request, record result.Record) *problem {
	a := record.Answer
	switch {
	case !record.State.Final():
		return kindNotFinished.refuse("The call is %s, and there is no answer yet. Ask again later, or use ?wait=30s.", record.State)
	case a == nil:
		return refuseDead(record)
	case a.Cut:
		return kindResultTooLarge.refuse("The function has answered with status %d, and the answer was too large to be kept. "+
			"Keep large results elsewhere, and answer with a reference.", a.Status)
	}
	h := w.Header()
	copyFields(h, a.Fields)
	if r.Method != http.MethodHead { // a call made by HEAD has the length of an answer that it did not get
		h.Del("Content-Length")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff") // the page of a handler is not one of this server's
	h.Add("Content-Security-Policy", "sandbox")
	w.WriteHeader(a.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.Body) // a caller who has left asks again
	}
	return nil
}

// refuseDead says what one who waited would have been told.
func refuseDead(record result.Record) *problem {
	if record.Reason == "rejected" || record.Reason == "undecodable" {
		return refuseCall(record.Reason, record.Text)
	}
	return kindBrokenCall.refuse("The function has not done it in %d attempts (%s): %s. It is kept as a dead letter.",
		record.Attempts, clip(record.Reason), sentence(record.Text))
}
