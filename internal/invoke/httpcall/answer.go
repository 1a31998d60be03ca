package httpcall

import (
	"net/http"
	"strconv"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// maxReasonBody is how much of an error answer's body is read to keep its connection. Only the beginning is used.
const maxReasonBody = 64 << 10

// wants says what of an answer is of use.
type wants struct {
	max  int  // bytes of the body; more is an error
	text bool // keep the body of a success though it is no event

	to   invoke.Responder // takes the whole answer, whatever it says; nil if nobody waits for it
	kept *invoke.Answer   // takes it too, as far as max goes; nil if nobody asks for it later
	head bool             // there is no body whatever the header says
}

// answer is a read answer.
type answer struct {
	head     head
	kind     invoke.Kind
	header   http.Header // only of answers that hold an event
	body     []byte      // of an event or where it is wanted: all of it; of an error: the beginning
	reusable bool        // the connection can take another request
}

// readAnswer reads one answer from the connection.
func readAnswer(c *conn, w wants) (answer, error) {
	h, err := readHead(&c.in)
	if err != nil {
		return answer{}, err
	}
	if w.to != nil {
		return relay(c, h, w)
	}
	if w.kept != nil {
		return keep(c, h, w)
	}
	a := answer{head: h}
	ok := false
	if a.kind, ok = kindOf(h.status); !ok {
		return answer{}, bad("status %d: want 2xx, 4xx or 5xx", h.status)
	}
	s := sink{max: w.max}
	switch {
	case a.kind == invoke.Done && h.length > int64(w.max):
		return answer{}, tooLarge("the answer is larger than %d bytes", w.max)
	case a.kind != invoke.Done:
		s = sink{keep: invoke.MaxReason, max: maxReasonBody}
	case w.text:
		s.keep = w.max
	case h.isEvent:
		s.keep = w.max
		a.header = h.header()
	}
	err = readBody(&c.in, &h, &s)
	a.body = s.kept
	if err != nil && a.kind == invoke.Done {
		return answer{}, err
	}
	a.reusable = err == nil && !h.close && h.framed() && len(c.in.unread()) == 0
	c.keepAlive = h.keepAlive
	return a, nil
}

// kindOf is the status column of the settlement table.
func kindOf(status int) (kind invoke.Kind, ok bool) {
	switch {
	case status >= 200 && status < 300:
		return invoke.Done, true
	case status == http.StatusNotFound, status == http.StatusRequestTimeout, status == http.StatusConflict,
		status == http.StatusTooEarly, status == http.StatusTooManyRequests, status >= 500 && status < 600:
		return invoke.Retry, true
	case status >= 400 && status < 500:
		return invoke.Reject, true
	default:
		return 0, false
	}
}

// outcome is what the answer says.
func (a *answer) outcome() (invoke.Outcome, error) {
	switch a.kind {
	case invoke.Retry:
		return invoke.Outcome{Kind: invoke.Retry, After: a.head.retryAfter, Reason: a.reason()}, nil
	case invoke.Reject:
		return invoke.Outcome{Kind: invoke.Reject, Reason: a.reason()}, nil
	}
	if a.header == nil {
		return invoke.Outcome{}, nil
	}
	reply, err := event.ReplyFromHTTP(a.header, a.body)
	if err != nil {
		return invoke.Outcome{}, bad("%s", invoke.Text("read the event in the answer: "+err.Error()))
	}
	return invoke.Outcome{Reply: reply}, nil
}

// reason is the status and what the handler wrote, or the standard text if it wrote nothing.
func (a *answer) reason() string {
	reason := "HTTP " + strconv.Itoa(a.head.status)
	text := invoke.Text(string(a.body))
	if text == "" {
		text = http.StatusText(a.head.status)
	}
	if text == "" {
		return reason
	}
	return invoke.Text(reason + ": " + text)
}
