package main

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/pelton-dev/pelton/internal/sidecar"
)

// restPage tells why this replica asks for no events, in a line, and nothing while it asks for some. That is no part of being
// ready: a pod that is taken for broken would be replaced, and the next one would find what is behind the handler no better.
type restPage struct {
	of atomic.Pointer[sidecar.Sidecar] // nil before there is one
}

// ServeHTTP implements http.Handler.
func (p *restPage) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s := p.of.Load()
	if s == nil || s.Resting() == "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_, _ = fmt.Fprintln(w, s.Resting())
}
