package access

import (
	"net"
	"net/http"
	"strings"
	"time"
)

// Anonymous is the name of all callers where nobody is asked who he is.
const Anonymous = "anonymous"

// Caller is who asks. One of an issuer is called ISSUER:NAME, so that nobody can take the name of another's caller.
type Caller struct {
	Name    string
	Groups  []string // ISSUER:GROUP
	address string   // tells anonymous callers apart
}

// account is under what a caller's requests are counted.
func (c Caller) account() string {
	if c.address != "" {
		return c.Name + " " + c.address
	}
	return c.Name
}

func anonymous(r *http.Request) Caller {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return Caller{Name: Anonymous, address: host}
}

// Reason is the kind of a refusal.
type Reason string

// The kinds of refusals.
const (
	NoToken   Reason = "no-token"  // none was sent
	BadToken  Reason = "bad-token" // it is not one of a caller
	NoKeys    Reason = "no-keys"   // whether it is cannot be known: the issuer cannot be asked for its keys
	Forbidden Reason = "forbidden" // no rule allows it
	TooMany   Reason = "too-many"  // the caller's rate or quota is used up
)

// Refusal says why not. Detail is for the caller: it says what was found and what is allowed, and holds no token.
type Refusal struct {
	Reason     Reason
	Detail     string
	RetryAfter time.Duration // for NoKeys and TooMany
	Err        error         // for the log
}

func badToken(detail string) *Refusal { return &Refusal{Reason: BadToken, Detail: detail} }

// maxToken bounds what is looked at of a token.
const maxToken = 8 << 10

// bearer takes the token out of the header.
func bearer(h http.Header) (string, *Refusal) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", &Refusal{Reason: NoToken, Detail: "There is no Authorization header."}
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	switch {
	case len(values) > 1:
		return "", badToken("There is more than one Authorization header.")
	case !strings.EqualFold(scheme, "Bearer"):
		return "", badToken("The Authorization header has another scheme than Bearer.")
	case token == "":
		return "", badToken("It is empty.")
	case len(token) > maxToken:
		return "", badToken("It is too long.")
	}
	return token, nil
}
