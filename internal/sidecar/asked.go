package sidecar

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/stream"
)

// asked is what an event has beyond others that was an HTTP request: the request, and who waits for its answer.
type asked struct {
	request invoke.Request
	answer  string        // the subject where the answer is awaited, "" if nobody waits
	expires time.Time     // until when
	short   time.Duration // what an attempt has of the caller's time, if that is less than its own
	told    bool          // the one who waits has been told what came of it

	later *later // nil unless somebody asks later
}

// readAsked returns what the headers say of a request, nil if the event was none. Only those who wait for this function's answers are
// answered: whoever may publish to its queue could name any subject.
func readAsked(h nats.Header, consumer string) *asked {
	line, answer := h[event.HeaderRequest], h[event.HeaderAnswer]
	if len(line) == 0 && len(answer) == 0 && len(h[event.HeaderResult]) == 0 {
		return nil
	}
	a := &asked{request: invoke.Request{Fields: h[event.HeaderField]}}
	if len(line) > 0 {
		a.request.Line = line[0]
	}
	key, ok := stream.OwnerOf(consumer)
	if len(answer) == 0 {
		a.later = readLater(h, key)
	}
	if len(answer) == 0 || !ok || !strings.HasPrefix(answer[0], event.AnswerPrefix(key.Namespace, key.Name)) {
		return a
	}
	expires, err := time.Parse(time.RFC3339Nano, h.Get(event.HeaderExpires))
	if err == nil && !strings.ContainsAny(answer[0], "*> \t") {
		a.answer, a.expires = answer[0], expires
	}
	return a
}

// keep notes on a message that is stored for another attempt who waits for its answer.
func (a *asked) keep(m *nats.Msg) {
	if a != nil && a.answer != "" && !a.told {
		m.Header.Set(event.HeaderAnswer, a.answer)
		m.Header.Set(event.HeaderExpires, a.expires.UTC().Format(time.RFC3339Nano))
	}
}

// late decides on a call whose caller has stopped waiting: it does not begin.
func (a *asked) late(now time.Time) (settlement, bool) {
	if a == nil || a.answer == "" || now.Before(a.expires) {
		return settlement{}, false
	}
	a.told = true // by its own clock
	return settlement{action: giveUp, reason: deadletter.ReasonExpired, text: "the caller waits no longer"}, true
}

// invokeAsked makes a call whose event was a request.
func (s *Sidecar) invokeAsked(p *phases, sl *slot) settlement {
	d, call := &sl.d, &sl.call
	if d.asked.request.Line != "" {
		call.Request = &d.asked.request
	}
	if d.asked.answer == "" {
		noted := d.asked.later.begin(p.records, s, call)
		outcome, err := s.inv.Invoke(p.calls, call)
		noted()
		return s.came(p, d, outcome, err)
	}
	if d.asked.expires.Before(call.Deadline) {
		d.asked.short = s.timeout - call.Deadline.Sub(d.asked.expires)
		call.Deadline = d.asked.expires
	}
	to := s.newResponder(p.calls, d.asked.answer, call.Deadline)
	defer to.close()
	call.Answer = to
	outcome, err := s.inv.Invoke(to.ctx, call)
	switch {
	case to.begun && err == nil:
		d.asked.told = true
		_ = to.end() // a caller who has left in the middle is no reason to make the call again
		return settlement{action: ackDone}
	case to.begun:
		d.asked.told = true
		code := codeOf(err)
		text := strings.TrimPrefix(err.Error(), code+": ")
		to.fail(code, text)
		return settlement{action: giveUp, reason: code, text: text}
	case err == nil && outcome.Kind == invoke.Done:
		d.asked.told = true
		to.reply(outcome.Reply)
	}
	return s.came(p, d, outcome, err)
}

// codeOf is the code of a failed call.
func codeOf(err error) string {
	st := decideError(err, attemptFacts{attempt: 1}, onlyOnce, 0)
	code, _, _ := strings.Cut(st.text, ":")
	if st.action != bury {
		code = st.reason
	}
	return code
}

// tellCaller lets the one who waits know when an event has no outcome in time: a retry that comes too late is none, and neither is one of
// an answer that was too large. What has been told to a caller is not kept as a dead letter; he knows, and what he asked for must not
// happen later behind his back.
func (s *Sidecar) tellCaller(d *delivery, st *settlement) {
	a := d.asked
	if a.answer == "" || a.told {
		return
	}
	code, text := st.reason, st.text
	switch {
	case st.action == park && code != invoke.CodeResponseTooLarge && time.Now().Add(st.delay).Before(a.expires):
		return
	case st.action == bury && (code == deadletter.ReasonAttempts || code == deadletter.ReasonExpired):
		if before, after, ok := strings.Cut(text, ": "); ok {
			code, text = before, after
		}
	case st.action != bury && st.action != park:
		return
	}
	a.told = true
	(&responder{s: s, subject: a.answer}).fail(code, s.noOtherTry(d, st, code)+text)
	*st = settlement{action: giveUp, reason: code, text: text}
}

// noOtherTry says, where a handler has asked for another try, why there is none.
func (s *Sidecar) noOtherTry(d *delivery, st *settlement, code string) string {
	switch {
	case code != "retry":
		return ""
	case st.reason == deadletter.ReasonAttempts:
		return fmt.Sprintf("attempt %d of %d was the last: ", d.attempt, s.fn.Spec.Retry.MaxAttempts)
	}
	return "it would come too late: "
}
