package natsauth_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// tally counts what a handler was given.
type tally struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *tally) invoke(_ context.Context, call *invoke.Call) (invoke.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[string(call.Event.Data)]++
	return invoke.Outcome{}, nil
}

// events is how many different ones there were.
func (c *tally) events() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// TestRotation has events flow while credentials of a few seconds are renewed again and again: each event is handled once, and
// none is lost on its way, as the server would give that out again after an hour only.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	fn := newFunction("work", func(s *function.Spec) { s.Concurrency = 4 })
	r.provision("a", fn)
	r.makePatient(fn)
	issuer, seen := r.issuer("a", 6*time.Second), &tally{}
	path := filepath.Join(t.TempDir(), "nats.creds")
	creds := write(t, issuer, fn, path)
	p := r.run(fn, path, seen.invoke)
	first := creds.PublicKey
	published, reconnects := 0, 0
	waittest.Eventually(t, func() error {
		published++
		publish(t, r.admins["a"], "events.work", fmt.Sprint(published))
		if !time.Now().Before(creds.Renew) {
			creds = write(t, issuer, fn, path)
		}
		if reconnects = int(p.nc.Stats().Reconnects); reconnects < 3 {
			return fmt.Errorf("%d reconnections", reconnects)
		}
		return nil
	})
	if creds.PublicKey == first {
		t.Error("the key is the same after a renewal")
	}
	// The server may say for a moment after a store that nothing is pending: what was handled is what counts.
	waittest.Eventually(t, func() error {
		if n := seen.events(); n != published {
			return fmt.Errorf("%d events, %d handled", published, n)
		}
		return nil
	})
	r.awaitSettled(fn)
	p.stop()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for event, n := range seen.calls {
		if n != 1 {
			t.Errorf("event %s was handled %d times", event, n)
		}
	}
}

// makePatient has the server wait for acknowledgements longer than any test.
func (r *rig) makePatient(fn *function.Function) {
	r.t.Helper()
	for _, c := range stream.ConsumersOf(fn) {
		have, err := r.admins["a"].Consumer(r.t.Context(), c.Stream, c.Name)
		if err != nil {
			r.t.Fatal(err)
		}
		cfg := have.CachedInfo().Config
		cfg.AckWait = time.Hour
		if _, err := r.admins["a"].UpdateConsumer(r.t.Context(), c.Stream, cfg); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestExpiry does not renew credentials in time: the server ends the connection, and takes it back with new ones. What happened
// meanwhile is delivered then.
func TestExpiry(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	fn := newFunction("work", nil)
	r.provision("a", fn)
	issuer, seen := r.issuer("a", 2*time.Second), &tally{}
	path := filepath.Join(t.TempDir(), "nats.creds")
	write(t, issuer, fn, path)
	p := r.run(fn, path, seen.invoke)
	waittest.Eventually(t, func() error {
		if p.nc.IsConnected() || !errors.Is(p.nc.LastError(), nats.ErrAuthExpired) && !errors.Is(p.nc.LastError(), nats.ErrAuthorization) {
			return fmt.Errorf("connected %v: %w", p.nc.IsConnected(), p.nc.LastError())
		}
		return nil
	})
	publish(t, r.admins["a"], "events.work", "meanwhile")
	issuer = r.issuer("a", time.Hour)
	write(t, issuer, fn, path)
	waittest.Eventually(t, func() error {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if seen.calls[`"meanwhile"`] != 1 {
			return fmt.Errorf("handled: %v, %s", seen.calls, p.nc.Down())
		}
		return nil
	})
}

// TestMoreRights changes a manifest while a sidecar is connected with credentials of the one before: as soon as those of the new
// one are there, it may do what they allow.
func TestMoreRights(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	before := newFunction("work", nil)
	after := newFunction("work", func(s *function.Spec) {
		s.Triggers = append(s.Triggers, function.Trigger{Event: &function.EventTrigger{Stream: "OWN", Subjects: []string{"own.*"}}})
	})
	if _, err := r.admins["a"].CreateStream(t.Context(), jetstream.StreamConfig{Name: "OWN", Subjects: []string{"own.>"}}); err != nil {
		t.Fatal(err)
	}
	r.provision("a", after)
	issuer, seen := r.issuer("a", 0), &tally{}
	path := filepath.Join(t.TempDir(), "nats.creds")
	write(t, issuer, before, path)
	p := r.run(after, path, seen.invoke)
	publish(t, r.admins["a"], "own.more", "one")
	waittest.Eventually(t, func() error {
		if err := p.nc.LastError(); !errors.Is(err, nats.ErrPermissionViolation) {
			return fmt.Errorf("the new consumer is not refused to the old credentials: %w", err)
		}
		return nil
	})
	write(t, issuer, after, path)
	waittest.Eventually(t, func() error {
		if n := seen.events(); n != 1 {
			return fmt.Errorf("%d events handled, want 1", n)
		}
		return nil
	})
	r.awaitSettled(after)
}

// TestRevocation gives the account another signing key and has the server read it: all credentials of the old one end at once.
func TestRevocation(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	fn := newFunction("work", nil)
	r.provision("a", fn)
	seen, path := &tally{}, filepath.Join(t.TempDir(), "nats.creds")
	write(t, r.issuer("a", 0), fn, path)
	p := r.run(fn, path, seen.invoke)
	if err := r.operator.Renew("a"); err != nil {
		t.Fatal(err)
	}
	r.reload()
	waittest.Eventually(t, func() error {
		if p.nc.IsConnected() {
			return errors.New("credentials of the old signing key still hold")
		}
		return nil
	})
	write(t, r.issuer("a", 0), fn, path)
	waittest.Eventually(t, func() error {
		if !p.nc.IsConnected() {
			return fmt.Errorf("not connected: %w", p.nc.LastError())
		}
		return nil
	})
	js := r.admin("a")
	publish(t, js, "events.work", "one")
	waittest.Eventually(t, func() error {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if seen.calls[`"one"`] != 1 {
			return fmt.Errorf("handled: %v", seen.calls)
		}
		return nil
	})
}

// TestTwoAccounts has functions of the same namespace and name in two accounts: neither gets the other's events, and the
// credentials of one open nothing in the other.
func TestTwoAccounts(t *testing.T) {
	t.Parallel()
	r := start(t, "a", "b")
	fn := newFunction("work", nil)
	a, b := &tally{}, &tally{}
	r.provision("a", fn)
	r.provision("b", fn)
	r.run(fn, r.file(r.issuer("a", 0), fn), a.invoke)
	r.run(fn, r.file(r.issuer("b", 0), fn), b.invoke)
	publish(t, r.admins["a"], "events.work", "of a")
	publish(t, r.admins["b"], "events.work", "of b")
	for _, want := range []struct {
		seen *tally
		data string
	}{{a, `"of a"`}, {b, `"of b"`}} {
		waittest.Eventually(t, func() error {
			want.seen.mu.Lock()
			defer want.seen.mu.Unlock()
			if want.seen.calls[want.data] != 1 || len(want.seen.calls) != 1 {
				return fmt.Errorf("%v, want %s alone", want.seen.calls, want.data)
			}
			return nil
		})
	}
	// All rights in one account are none in the other.
	for _, name := range []string{stream.EventsStream, stream.WorkStream, stream.DeadStream, stream.RunsStream} {
		s, err := r.admins["a"].Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.admins["b"].DeleteStream(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Info(t.Context()); err != nil {
			t.Errorf("stream %s of account a after that of b was deleted: %v", name, err)
		}
	}
	heard, err := r.admins["b"].Conn().SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.admins["b"].Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	publish(t, r.admins["a"], "events.work", "of a, again")
	if err := r.admins["b"].Conn().Publish("end", nil); err != nil {
		t.Fatal(err)
	}
	m, err := heard.NextMsg(waittest.Patience)
	if err != nil || m.Subject != "end" {
		t.Errorf("account b heard %v, %v", m, err)
	}
}

// TestForeignKeys uses keys that an account does not know: the server must let nobody in.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	r, other := start(t, "a"), start(t, "a")
	content, err := other.issuer("a", 0).Issue(newFunction("work", nil), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if nc, err := nats.Connect(r.srv.URL(), nats.UserCredentialBytes(content.File)); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("connect: %v", err)
		nc.Close()
	}
}
