package function

import (
	"fmt"
	"regexp"
	"slices"
)

// The bounds of what a function's callers may name.
const (
	maxCallbacks   = 16
	maxCallbackURL = 255
)

const (
	callbackHint       = "write an address such as https://hooks.example.com/orders, or https://hooks.example.com/* for all below"
	callbackSecretHint = "write - secretKeyRef: {name: callbacks, key: signing}"
)

func (c *checker) checkCallbacks(path string, h *HTTPTrigger) {
	if h.Callbacks == nil {
		return
	}
	at := path + ".callbacks"
	if h.Webhook != nil {
		c.add(at, "the provider of a webhook asks for no result", "delete it, or make another trigger")
	}
	switch n := len(h.Callbacks.Allow); {
	case n == 0:
		c.add(at+".allow", "there is no address, so nobody could ask for a result to be sent", callbackHint)
	case n > maxCallbacks:
		c.add(at+".allow", fmt.Sprintf("%d addresses are more than %d", n, maxCallbacks), "allow all below a path by /*")
	}
	for i, address := range h.Callbacks.Allow {
		c.checkCallback(fmt.Sprintf("%s.allow[%d]", at, i), address, h.Callbacks.Allow[:i])
	}
	switch n := len(h.Callbacks.SecretFrom); {
	case n == 0:
		c.add(at+".secretFrom", "there is no secret, and without one nobody could tell who has sent a result", callbackSecretHint)
	case n > maxWebhookSecrets:
		c.add(at+".secretFrom", fmt.Sprintf("%d secrets are more than %d", n, maxWebhookSecrets), "keep those that are in use")
	}
	for i := range h.Callbacks.SecretFrom {
		c.checkKeyRef(fmt.Sprintf("%s.secretFrom[%d].secretKeyRef", at, i), &h.Callbacks.SecretFrom[i].SecretKeyRef)
	}
}

func (c *checker) checkCallback(at, address string, before []string) {
	whole := regexp.MustCompile(`^https://[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[1-9][0-9]{0,4})?` +
		`/([A-Za-z0-9._~-]+/)*([A-Za-z0-9._~-]+|[*])?$`)
	switch {
	case len(address) > maxCallbackURL:
		c.add(at, fmt.Sprintf("it has %d bytes, more than %d", len(address), maxCallbackURL), callbackHint)
	case !whole.MatchString(address):
		c.add(at, missingOr(address, "is no address that may be allowed"), callbackHint)
	case regexp.MustCompile(`/\.\.?(/|$)`).MatchString(address):
		c.add(at, quote(address)+" has the segment . or ..", callbackHint)
	case slices.Contains(before, address):
		c.add(at, address+" is listed twice", "keep one of them")
	}
}
