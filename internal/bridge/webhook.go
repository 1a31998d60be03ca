package bridge

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/webhook"
)

// webhookTarget finds the route of a webhook.
func (s *Server) webhookTarget(r *http.Request) (target, bool) {
	path := r.URL.EscapedPath()
	if !s.takes(path) {
		return target{}, false
	}
	t := s.routes.Load().of(path)[r.Method]
	t.path = path
	return t, t.webhook != nil
}

// acceptWebhook stores what a provider has signed, and answers. A provider has no token and knows this server by whatever name its
// network gives it, so neither is asked for: the signature says more than both. Nothing is stored, and nothing of the body is
// looked at, before it is verified.
func (s *Server) acceptWebhook(w http.ResponseWriter, r *http.Request, t target) *problem {
	if p := s.guard.wellFormed(r); p != nil {
		return p
	}
	if refused, ok := errors.AsType[*webhook.Error](t.webhook.Scheme.Signed(r.Header)); ok {
		return refuseWebhook(refused) // before a byte of its body
	}
	body, p := s.readBody(w, r, target{webhook: t.webhook})
	if p != nil {
		return p
	}
	connOf(r).answering()
	d, p := s.verify(r, t, body)
	if p != nil {
		return p
	}
	if d.Challenge != "" {
		answerChallenge(w, d.Challenge)
		return nil
	}
	d.Event.Extensions = append(d.Event.Extensions, traceContext(r.Header)...)
	if faults := d.Event.Validate(); len(faults) > 0 {
		return refuseEvent(faults)
	}
	return s.keep(w, r, t, event.ModeNone, []*event.Event{d.Event})
}

// verify reads the secrets anew, so that a changed file counts from the next request on. While one of them cannot be read, a request
// that no other one has signed may be good: the provider shall send it again.
func (s *Server) verify(r *http.Request, t target, body []byte) (webhook.Delivery, *problem) {
	keys, missing := t.webhook.keys()
	if missing != nil {
		s.log.Warn("webhook secrets are missing", zap.String("path", r.URL.EscapedPath()), zap.Strings("function", t.scope), zap.Error(missing))
	}
	d, err := t.webhook.Scheme.Read(webhook.Request{Header: r.Header, Body: body, Path: t.route, Now: time.Now()}, keys)
	refused, ok := errors.AsType[*webhook.Error](err)
	switch {
	case err == nil:
		return d, nil
	case missing != nil && (!ok || refused.Fault == webhook.Unsigned):
		return d, kindWebhookSecret.refuse("A secret that the function's trigger names is not there, so the signature cannot be checked. " +
			"The log says which. Send it again later.").because(missing).retryLater()
	case !ok:
		return d, kindInternal.refuse("The request was not carried out. Its id finds the cause in the log.").because(err)
	}
	return d, refuseWebhook(refused)
}

func refuseWebhook(refused *webhook.Error) *problem {
	detail := "The webhook is refused: " + refused.Detail + "."
	switch refused.Fault {
	case webhook.Unsigned:
		return kindSignature.refuse("%s", detail).with("Www-Authenticate", `Webhook realm="pelton"`)
	case webhook.Unsupported:
		return kindMediaType.refuse("%s", detail).with("Accept-Post", "application/json")
	}
	return kindWebhook.refuse("%s", detail)
}

// answerChallenge repeats what Slack has sent, as text: it may not become a page in a browser.
func answerChallenge(w http.ResponseWriter, challenge string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(challenge)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, challenge) // a provider that left asks again
}
