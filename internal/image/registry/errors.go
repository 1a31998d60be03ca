package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Error is what a registry has answered instead of doing what it was asked, or why there is no answer.
type Error struct {
	Status     int    // the code of its answer, 0 if there is none
	Host       string // the registry
	Repository string // without the host
	Push       bool   // it was asked to write
	User       string // who we are there, "" if nobody
	Message    string // the registry's own words, in one line

	cause error
}

// Error says who refused what, and as whom.
func (e *Error) Error() string {
	as := "without a login"
	if e.User != "" {
		as = "as " + e.User
	}
	doing := "reading from"
	if e.Push {
		doing = "writing to"
	}
	text := fmt.Sprintf("registry %s: %s %s %s: ", e.Host, doing, e.Repository, as)
	if e.Status == 0 {
		return text + e.cause.Error()
	}
	text += fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Unwrap returns what has failed.
func (e *Error) Unwrap() error { return e.cause }

// explain makes an *Error of what the registry has done. Other errors it returns as they are.
func (u *use) explain(err error) error {
	if u.ctx.Err() != nil {
		return err
	}
	e := &Error{Host: u.repo.RegistryStr(), Repository: u.repo.RepositoryStr(), Push: u.push, User: u.user, cause: err}
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		if r := answer.Request; r != nil && u.reads(r.Method, r.URL.Path) {
			return err
		}
		e.Status, e.Message = answer.StatusCode, messageOf(answer)
		return e
	}
	if broken, ok := errors.AsType[*url.Error](err); ok && !u.reads(strings.ToUpper(broken.Op), broken.URL) {
		return e
	}
	return err
}

// reads tells a request for a layer of the base, perhaps of another registry, while an image is written to this one: what is
// written is never read.
func (u *use) reads(method, path string) bool {
	return u.push && method == http.MethodGet && strings.Contains(path, "/blobs/")
}

// words asks again where the refusal was an answer to HEAD, which has no words: beginning an upload hears the reason.
func (u *use) words(tag name.Tag, refusal error) error {
	answer, ok := errors.AsType[*transport.Error](refusal)
	if !ok || answer.StatusCode != http.StatusForbidden || answer.Request == nil || answer.Request.Method != http.MethodHead {
		return refusal
	}
	again := remote.CheckPushPermission(tag, u, bound{u.ctx})
	if answer, ok = errors.AsType[*transport.Error](again); !ok || answer.StatusCode != http.StatusForbidden {
		return refusal
	}
	return again
}

// Resolve implements authn.Keychain with the login that was found already.
func (u *use) Resolve(authn.Resource) (authn.Authenticator, error) { return u.login, nil }

// bound ends requests that know no context with ours.
type bound struct{ ctx context.Context }

// RoundTrip implements http.RoundTripper.
func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	return remote.DefaultTransport.RoundTrip(r.WithContext(b.ctx))
}

// messageOf joins the words that the protocol has for errors. Proxies answer with pages, of which nothing is kept.
func messageOf(answer *transport.Error) string {
	var words []string
	for _, e := range answer.Errors {
		words = append(words, strings.TrimSpace(e.Message+" ("+string(e.Code)+")"))
	}
	plain := func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}
	return strings.Map(plain, strings.Join(words, "; "))
}
