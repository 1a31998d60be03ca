package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestEntersTheCatalog makes the function known to scalers, with what the manifest says.
func TestEntersTheCatalog(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	h := serve(t, "tcp", "127.0.0.1:0")
	text := manifest(t, func(s *function.Spec) { s.Concurrency = 7 })
	start(t, "NATS_URL="+srv.URL(), "PELTON_MANIFEST="+text, "PELTON_HANDLER_ADDRESS="+h.address)
	js := srv.JetStream(t)
	waittest.Eventually(t, func() error {
		s, err := js.Stream(t.Context(), catalog.StreamName)
		if err != nil {
			return err
		}
		m, err := s.GetLastMsgForSubject(t.Context(), "pelton.function.default.fn")
		if err == nil && !strings.Contains(string(m.Data), `"concurrency":7`) {
			t.Fatalf("entry %s", m.Data)
		}
		return err
	})
}

// TestEntersNothing when it shall not provision.
func TestEntersNothing(t *testing.T) {
	t.Parallel()
	_, q := newQueue(t)
	h := serve(t, "tcp", "127.0.0.1:0")
	p := start(t, "NATS_URL="+q.url, "PELTON_MANIFEST="+manifest(t), "PELTON_HANDLER_ADDRESS="+h.address,
		"PELTON_PROVISION=false")
	p.await("/readyz", http.StatusOK, "ok")
	q.publish("one")
	q.awaitAcked(1)
	if _, err := q.js.Stream(t.Context(), catalog.StreamName); err == nil {
		t.Error("the catalog is there")
	}
}

// TestMayNotEnter delivers although the credentials do not reach the catalog, and says what that means.
func TestMayNotEnter(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen(), func(o *server.Options) {
		o.NoAuthUser = "sidecar"
		o.Users = []*server.User{{Username: "sidecar", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.*." + catalog.StreamName}},
		}}}
	})
	h := serve(t, "tcp", "127.0.0.1:0")
	p := start(t, "NATS_URL="+srv.URL(), "PELTON_MANIFEST="+manifest(t), "PELTON_HANDLER_ADDRESS="+h.address)
	p.await("/readyz", http.StatusOK, "ok")
	q := &queue{t: t, js: srv.JetStream(t), url: srv.URL()}
	q.publish("one")
	q.awaitAcked(1)
	waittest.Eventually(t, func() error {
		if !strings.Contains(p.output(), "function is not in the catalog: events are delivered, but a scaler") {
			return errors.New("no warning")
		}
		return nil
	})
	p.await("/readyz", http.StatusOK, "ok")
}
