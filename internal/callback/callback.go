// Package callback owns the sending of results to addresses that callers name: which addresses may be named, which may be reached, and
// what the answer of a receiver means.
//
// An address is a stranger's word, so it is held to a list twice over: by its text, and by the IP address that its name leads to when the
// connection is made. It knows no queue, no files and no calls. A Client runs nothing between two requests; Close ends idle connections.
package callback

import (
	"fmt"
	"net/url"
	"strings"
)

// maxURL bounds an address, in bytes.
const maxURL = 2048

// Parse reads an address that a caller has named. The error says what is wrong with it, and is the caller's to know.
func Parse(text string) (*url.URL, error) {
	if text == "" || len(text) > maxURL || strings.ContainsFunc(text, notVisible) {
		return nil, fmt.Errorf("it has %d bytes, or others than visible ASCII: want 1 to %d visible characters", len(text), maxURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is no URL: want https://HOST/PATH")
	case u.Scheme != "https" || u.Opaque != "":
		return nil, fmt.Errorf("its scheme is %.20q: want https://HOST/PATH", u.Scheme)
	case u.User != nil:
		return nil, fmt.Errorf("it has a user or a password: leave them out, what is sent is signed")
	case strings.Contains(text, "#"):
		return nil, fmt.Errorf("it has a fragment: leave out what begins with #")
	case strings.ContainsFunc(u.Hostname(), notOfHost) || u.Hostname() == "" || strings.HasSuffix(u.Hostname(), "."):
		return nil, fmt.Errorf("its host is %.80q: want a name of letters, digits, - and inner dots", u.Hostname())
	case strings.HasSuffix(u.Host, ":"):
		return nil, fmt.Errorf("its port is empty: want a number, or no colon")
	}
	return u, nil
}

func notVisible(r rune) bool { return r < '!' || r > '~' }

func notOfHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
}

// Allowed reports whether one of the patterns of a manifest takes an address: the same host and port, and the same path, or one below
// what is before a /* at the end. The query is the caller's. A path that some server may read as another is below nothing.
func Allowed(patterns []string, u *url.URL) bool {
	for _, text := range patterns {
		pattern, err := url.Parse(text)
		if err == nil && pattern.Scheme == u.Scheme && sameHost(pattern, u) && matchPath(pattern.Path, pathOf(u)) {
			return true
		}
	}
	return false
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return "443"
}

func pathOf(u *url.URL) string {
	if path := u.EscapedPath(); path != "" {
		return path
	}
	return "/"
}

func matchPath(pattern, path string) bool {
	base, below := strings.CutSuffix(pattern, "/*")
	if !below {
		return path == pattern
	}
	rest, ok := strings.CutPrefix(path, base)
	return ok && (rest == "" || rest[0] == '/') && plain(path)
}

// plain reports whether everybody reads a path in the same way.
func plain(path string) bool {
	if strings.ContainsAny(path, `%\;`) || strings.Contains(path, "//") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}
