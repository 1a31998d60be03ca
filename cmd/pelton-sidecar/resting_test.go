package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pelton-dev/pelton/internal/sidecar"
)

// TestResting has every call fail: the sidecar says that it rests and why, and is ready all the same. Once a call is answered it
// says nothing any more.
func TestResting(t *testing.T) {
	t.Parallel()
	_, q := newQueue(t)
	var mended atomic.Bool
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !mended.Load() {
			http.Error(w, "the database is away", http.StatusInternalServerError)
		}
	}))
	t.Cleanup(h.Close)
	p := start(t, "NATS_URL="+q.url, "PELTON_MANIFEST="+manifest(t), "PELTON_HANDLER_ADDRESS="+strings.TrimPrefix(h.URL, "http://"))
	p.await("/readyz", http.StatusOK, "ok")
	p.await(sidecar.RestingPath, http.StatusNoContent, "")
	for i := range 25 {
		q.publish(fmt.Sprint(i))
	}
	p.await(sidecar.RestingPath, http.StatusOK, "the database is away")
	p.await("/readyz", http.StatusOK, "ok")
	mended.Store(true)
	p.await(sidecar.RestingPath, http.StatusNoContent, "")
}
