package registry

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Error is what a registry has answered instead of doing what it was asked.
type Error struct {
	Status     int    // the code of its answer
	Host       string // the registry
	Repository string // without the host
	Push       bool   // it was asked to write
	User       string // who we are there, "" if nobody
	Message    string // the registry's own words, in one line

	retryAfter string
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
	text := fmt.Sprintf("registry %s: %s %s %s: %d %s", e.Host, doing, e.Repository, as, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// maxMessage bounds what is read of an answer that is an error.
const maxMessage = 4 << 10

// refusal reads an answer to its end.
func refusal(resp *http.Response, s *session) *Error {
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Error{
		Status: resp.StatusCode, Host: s.repo.RegistryStr(), Repository: s.repo.RepositoryStr(), Push: s.actions == actionPush,
		User: s.user, Message: messageOf(text), retryAfter: resp.Header.Get("Retry-After"),
	}
}

// messageOf finds the words in the JSON that the protocol has for errors. Proxies answer with pages, of which nothing is kept.
func messageOf(text []byte) string {
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(text, &body) != nil {
		return ""
	}
	var words []string
	for _, e := range body.Errors {
		words = append(words, strings.TrimSpace(e.Message+" ("+e.Code+")"))
	}
	plain := func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}
	return strings.Map(plain, strings.Join(words, "; "))
}

// permanent reports whether trying again cannot help: there is no such host, or it does not speak as it should.
func permanent(err *url.Error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok || strings.Contains(err.Err.Error(), "server gave HTTP response to HTTPS client")
}
