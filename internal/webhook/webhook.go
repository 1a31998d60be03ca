// Package webhook owns how providers sign the requests they send, and what event each of their requests is: Standard Webhooks,
// GitHub, Stripe and Slack.
//
// It verifies the bytes of a body before it reads any of them. It knows no server, no files and no clock: callers hand it a
// request, the secrets and the time. It only computes; there is nothing to stop.
package webhook

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
)

// Scheme is how a provider signs.
type Scheme string

// The schemes there are. Their names are those of the manifest.
const (
	Standard Scheme = "standard" // Standard Webhooks 1.0, with symmetric signatures (v1)
	GitHub   Scheme = "github"
	Stripe   Scheme = "stripe"
	Slack    Scheme = "slack" // the Events API
)

// Schemes lists them.
func Schemes() []Scheme { return []Scheme{Standard, GitHub, Stripe, Slack} }

// Tolerance is how far the time of a signature may be from ours, where a scheme signs a time.
const Tolerance = 5 * time.Minute

// Request is what came in.
type Request struct {
	Header http.Header
	Body   []byte
	Path   string    // the source of the event, where the provider names none
	Now    time.Time // when it came
}

// Delivery is what a request with a good signature is: an event, or a question that wants its answer.
type Delivery struct {
	Event     *event.Event
	Challenge string // Slack asks for it to see who is here. Then there is no event
}

// Read verifies r with any of the keys, which Key has made, and says what it is. The error is an *Error. The event's attributes are
// the provider's: the caller validates them.
func (s Scheme) Read(r Request, keys [][]byte) (Delivery, error) {
	switch s {
	case Standard:
		return readStandard(r, keys)
	case GitHub:
		return readGitHub(r, keys)
	case Stripe:
		return readStripe(r, keys)
	case Slack:
		return readSlack(r, keys)
	}
	return Delivery{}, s.unknown()
}

// Signed says what of a signature is missing, before there is a body: nil once there is one to verify. Read asks the same.
func (s Scheme) Signed(h http.Header) error {
	_, err := s.signature(h)
	return err
}

// signature returns the header with the signature.
func (s Scheme) signature(h http.Header) (string, error) {
	switch s {
	case Standard:
		return header(h, "Webhook-Signature", "v1,SIGNATURE")
	case GitHub:
		if h.Get("X-Hub-Signature-256") == "" && h.Get("X-Hub-Signature") != "" {
			return "", refuse(Unsigned, "there is only a signature by SHA-1, in X-Hub-Signature: want X-Hub-Signature-256")
		}
		return header(h, "X-Hub-Signature-256", "sha256=SIGNATURE, which GitHub sends once the webhook has a secret")
	case Stripe:
		return header(h, "Stripe-Signature", stripeSignature)
	case Slack:
		return header(h, "X-Slack-Signature", "v0=SIGNATURE")
	}
	return "", s.unknown()
}

func (s Scheme) unknown() error {
	return fmt.Errorf("read webhook: %q is not a scheme: want one of %v", string(s), Schemes())
}

// Fault is what kind of mistake a request has.
type Fault int

// The faults.
const (
	Unsigned    Fault = iota // nobody who knows a secret has signed it, or not just now
	Malformed                // it is not what the provider sends
	Unsupported              // its body has a media type that is not read
)

// Error says why a request is refused. Its text holds nothing of a secret or of a signature, and may be told to anybody.
type Error struct {
	Fault  Fault
	Detail string
}

// Error is the detail.
func (e *Error) Error() string { return "verify webhook: " + e.Detail }

func refuse(f Fault, detail string, args ...any) error {
	return &Error{Fault: f, Detail: fmt.Sprintf(detail, args...)}
}

const maxID = 255

// header returns a header that must be there once.
func header(h http.Header, name, want string) (string, error) {
	values := h.Values(name)
	switch {
	case len(values) == 0 || values[0] == "":
		return "", refuse(Unsigned, "the header %s is missing: want %s", name, want)
	case len(values) > 1:
		return "", refuse(Malformed, "the header %s is there %d times: want it once", name, len(values))
	}
	return values[0], nil
}

// checkID holds an id to what can be told apart safely. what names it for the message.
func checkID(what, id string) error {
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, notVisible) {
		return refuse(Malformed, "%s has %d bytes or others than visible ASCII: want 1 to %d visible characters", what, len(id), maxID)
	}
	return nil
}

func notVisible(r rune) bool { return r < '!' || r > '~' }
