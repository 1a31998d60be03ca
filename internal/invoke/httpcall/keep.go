package httpcall

import (
	"math"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// keep reads an answer that somebody asks for later. It means what it would mean otherwise, but for a redirect, which he can follow,
// and for its length: what is too long is read and not kept. Only an event, which is needed whole, has the limit that it has elsewhere.
func keep(c *conn, h head, w wants) (answer, error) {
	a := answer{head: h}
	ok := false
	if a.kind, ok = kindOf(h.status); !ok && (h.status < 300 || h.status > 399) {
		return answer{}, bad("status %d: want 200 to 599", h.status)
	}
	framed, s := h.framed() || w.head, sink{keep: w.max, max: math.MaxInt}
	kept := invoke.Answer{Status: h.status, Fields: h.answerFields(w.head)}
	if a.kind == invoke.Done && h.isEvent {
		a.header, s.max = h.header(), w.max
	}
	var err error
	if !w.head {
		err = readBody(&c.in, &h, &s)
	}
	if err != nil && a.kind == invoke.Done {
		return answer{}, err
	}
	a.body = s.kept
	if a.kind != invoke.Done {
		a.body = s.kept[:min(len(s.kept), invoke.MaxReason)]
	}
	if kept.Cut = err != nil || s.total > w.max; !kept.Cut {
		kept.Body = s.kept
	}
	*w.kept = kept
	a.reusable = err == nil && !h.close && framed && len(c.in.unread()) == 0
	c.keepAlive = h.keepAlive
	return a, nil
}
