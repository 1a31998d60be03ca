package bridge

import (
	"net/http"
	"strings"

	"github.com/pelton-dev/pelton/internal/callback"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/webhook"
)

// headerCallback is where a caller names the address that is to be told what became of his call.
const headerCallback = "Pelton-Callback"

// Callbacks says where callers of a route may have results sent, and what signs them.
type Callbacks struct {
	Allow   []string     // https://HOST/PATH, with /* at its end all below
	Secrets []SecretFile // of Standard Webhooks; each signs
}

// CallbacksOf makes the callbacks of a trigger; nil if it has none. file says which file holds a key of a secret: there the host decides.
func CallbacksOf(t *function.HTTPTrigger, file func(function.KeyRef) string) *Callbacks {
	if t.Callbacks == nil {
		return nil
	}
	c := &Callbacks{Allow: t.Callbacks.Allow}
	for _, from := range t.Callbacks.SecretFrom {
		c.Secrets = append(c.Secrets, SecretFile{Path: file(from.SecretKeyRef), Optional: from.SecretKeyRef.Optional})
	}
	return c
}

// keys reads the secrets. The error names all that are missing; the keys are those of the others.
func (c *Callbacks) keys() (keys [][]byte, missing error) {
	return (&Webhook{Scheme: webhook.Standard, Secrets: c.Secrets}).keys()
}

// callback is the address that a caller wants to be told the result, "" if he wants none. It is one that the function allows.
func (t target) callback(r *http.Request) (string, *problem) {
	values := r.Header.Values(headerCallback)
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", kindBadCallback.refuse("%s is there %d times. Send it once.", headerCallback, len(values))
	case t.callbacks == nil:
		return "", kindCallback.refuse("The function allows no callbacks: http.callbacks of its manifest must list them. Leave %s out, "+
			"and ask at the Location of the answer.", headerCallback)
	}
	u, err := callback.Parse(values[0])
	if err != nil {
		return "", kindBadCallback.refuse("%s is %q, and %s.", headerCallback, clip(values[0]), err)
	}
	if !callback.Allowed(t.callbacks.Allow, u) {
		return "", kindCallback.refuse("%s is %q, which the function does not allow. Use one of: %s.", headerCallback, clip(values[0]),
			strings.Join(t.callbacks.Allow, ", "))
	}
	return values[0], nil
}

// refuseCallback refuses a callback for what has no result, or one that its caller waits for.
func refuseCallback(r *http.Request) *problem {
	if len(r.Header.Values(headerCallback)) == 0 {
		return nil
	}
	return kindBadCallback.refuse("%s is there without Prefer: respond-async on the path of a function. Send both, or leave it out.", headerCallback)
}
