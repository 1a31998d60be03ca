package function

import (
	"fmt"
	"slices"
	"strings"
)

// maxWebhookSecrets bounds what a request with a wrong signature may cost: it is compared with each.
const maxWebhookSecrets = 4

const webhookSecretHint = "write - secretKeyRef: {name: github, key: webhook}"

func (c *checker) checkWebhook(path string, h *HTTPTrigger) {
	if h.Webhook == nil {
		return
	}
	schemes := []string{SchemeStandard, SchemeGitHub, SchemeStripe, SchemeSlack}
	at := path + ".webhook"
	if !slices.Contains(schemes, h.Webhook.Scheme) {
		c.add(at+".scheme", missingOr(h.Webhook.Scheme, "is not a scheme"), "write one of "+strings.Join(schemes, ", "))
	}
	switch n := len(h.Webhook.SecretFrom); {
	case n == 0:
		c.add(at+".secretFrom", "there is no secret, and without one nobody could tell who has sent a request", webhookSecretHint)
	case n > maxWebhookSecrets:
		c.add(at+".secretFrom", fmt.Sprintf("%d secrets are more than %d", n, maxWebhookSecrets), "keep those that are in use")
	}
	for i := range h.Webhook.SecretFrom {
		c.checkKeyRef(fmt.Sprintf("%s.secretFrom[%d].secretKeyRef", at, i), &h.Webhook.SecretFrom[i].SecretKeyRef)
	}
	if slices.ContainsFunc(h.Methods, func(method string) bool { return method != "POST" }) {
		c.add(path+".methods", "providers send webhooks by POST", "write [POST], or delete it")
	}
	if h.Mode == ModeSync {
		c.add(path+".mode", "a webhook is answered as soon as it is stored", "write async, or delete it")
	}
}
