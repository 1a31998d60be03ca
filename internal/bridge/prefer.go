package bridge

import (
	"iter"
	"net/http"
	"strings"
)

// preferences are what a request says in Prefer (RFC 7240): names in lower case and their values. What is not understood there is passed
// over, as the RFC asks for.
func preferences(r *http.Request) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, field := range r.Header.Values("Prefer") {
			for preference := range strings.SplitSeq(field, ",") {
				preference, _, _ = strings.Cut(preference, ";")
				name, value, _ := strings.Cut(preference, "=")
				if !yield(strings.ToLower(strings.TrimSpace(name)), strings.Trim(value, ` "`)) {
					return
				}
			}
		}
	}
}

// prefersLater reports whether a caller does not want to wait for an answer, and asks where it can be had.
func prefersLater(r *http.Request) bool {
	for name := range preferences(r) {
		if name == "respond-async" {
			return true
		}
	}
	return false
}
