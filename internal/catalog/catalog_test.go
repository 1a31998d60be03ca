package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func makeFunction(name string, concurrency int) *function.Function {
	fn := &function.Function{Metadata: function.Metadata{Namespace: "shop", Name: name}}
	fn.Spec.Concurrency = concurrency
	fn.Spec.Handler.Env = []function.EnvVar{{Name: "PASSWORD", Value: "secret"}}
	fn.Spec.Scale = function.Scale{MaxReplicas: 9, Target: function.Target{Drain: function.Duration(10 * time.Second)}}
	return fn
}

type fixture struct {
	js      jetstream.JetStream
	catalog *catalog.Catalog
	changed chan function.Key
}

func start(t *testing.T) *fixture {
	t.Helper()
	srv := natstest.Start(t)
	c, err := catalog.New(srv.Conn(t), catalog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{js: srv.JetStream(t), catalog: c, changed: make(chan function.Key, 100)}
	c.OnChange(func(k function.Key) {
		if k == (function.Key{}) && c.Ready() != nil {
			t.Error("told that all is read before it was")
		}
		f.changed <- k
	})
	return f
}

func (f *fixture) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.catalog.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (f *fixture) put(t *testing.T, fn *function.Function) {
	t.Helper()
	if err := catalog.Put(t.Context(), f.js, fn); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) await(t *testing.T, key function.Key, want error, ok func(catalog.Entry, bool) bool) {
	t.Helper()
	waittest.Eventually(t, func() error {
		e, found, err := f.catalog.Lookup(key)
		if !errors.Is(err, want) || !ok(e, found) {
			return fmt.Errorf("lookup of %s: %+v, %v, %w", key, e, found, err)
		}
		return nil
	})
}

func (f *fixture) sequence(t *testing.T) uint64 {
	t.Helper()
	s, err := f.js.Stream(t.Context(), catalog.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq
}

// TestCatalogFollows reads what is there, and then what changes.
func TestCatalogFollows(t *testing.T) {
	t.Parallel()
	f := start(t)
	if err := catalog.Ensure(t.Context(), f.js, 1); err != nil {
		t.Fatal(err)
	}
	old := makeFunction("old", 4)
	f.put(t, old)
	if _, _, err := f.catalog.Lookup(old.Key()); !errors.Is(err, catalog.ErrNotLoaded) {
		t.Errorf("lookup before it was read: %v, want ErrNotLoaded", err)
	}
	f.run(t)
	f.await(t, old.Key(), nil, func(e catalog.Entry, ok bool) bool { return ok && cmp.Equal(e, catalog.EntryOf(old)) })

	changed := makeFunction("old", 8)
	f.put(t, changed)
	f.await(t, old.Key(), nil, func(e catalog.Entry, _ bool) bool { return e.Concurrency == 8 })
	before := f.sequence(t)
	f.put(t, changed)
	if after := f.sequence(t); after != before {
		t.Errorf("an entry that is as it should be was written again: %d, %d", before, after)
	}
	if err := catalog.Remove(t.Context(), f.js, old.Key()); err != nil {
		t.Fatal(err)
	}
	f.await(t, old.Key(), nil, func(_ catalog.Entry, ok bool) bool { return !ok })
	waittest.Eventually(t, func() error { // an entry is gone a moment before that is told
		if n := len(f.changed); n != 4 {
			return fmt.Errorf("%d changes were told, want 3 and the end of the first reading", n)
		}
		return nil
	})
}

// TestEmptyCatalogIsLoaded has no stream when it starts.
func TestEmptyCatalogIsLoaded(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.run(t)
	f.await(t, function.Key{Namespace: "shop", Name: "none"}, nil, func(_ catalog.Entry, ok bool) bool { return !ok })
	if err := f.catalog.Ready(); err != nil {
		t.Error(err)
	}
}

// TestNonsenseIsLeftOut has somebody else write into the stream.
func TestNonsenseIsLeftOut(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.run(t)
	f.await(t, function.Key{}, nil, func(catalog.Entry, bool) bool { return true })
	good := makeFunction("good", 1)
	for subject, body := range map[string]string{
		"pelton.function.shop.bad":     "{",
		"pelton.function.shop.other":   `{"namespace":"shop","name":"good","consumers":[{"stream":"A","name":"b"}]}`,
		"pelton.function.shop.none":    `{"namespace":"shop","name":"none"}`,
		"pelton.function.shop.a.b":     "{}",
		"pelton.function.shop":         "{}",
		"pelton.function.shop.unknown": `[]`,
	} {
		if _, err := f.js.Publish(t.Context(), subject, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	f.put(t, good)
	f.await(t, good.Key(), nil, func(_ catalog.Entry, ok bool) bool { return ok })
	for _, name := range []string{"bad", "other", "none", "a", "unknown"} {
		if e, ok, _ := f.catalog.Lookup(function.Key{Namespace: "shop", Name: name}); ok {
			t.Errorf("%s is an entry: %+v", name, e)
		}
	}
}

// TestEntryHoldsNoSecrets looks at what is stored.
func TestEntryHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	f := start(t)
	if err := catalog.Ensure(t.Context(), f.js, 1); err != nil {
		t.Fatal(err)
	}
	f.put(t, makeFunction("fn", 1))
	s, err := f.js.Stream(t.Context(), catalog.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetLastMsgForSubject(t.Context(), "pelton.function.shop.fn")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"namespace":"shop","name":"fn","consumers":[{"stream":"PELTON_WORK","name":"shop_fn_work"}],"concurrency":1,` +
		`"scale":{"maxReplicas":9,"target":{"drain":"10s"},"cooldown":"0s"}}`
	if d := cmp.Diff(want, string(m.Data)); d != "" {
		t.Error(d)
	}
}

// TestRead asks for entries one by one.
func TestRead(t *testing.T) {
	t.Parallel()
	f := start(t)
	fn := makeFunction("fn", 3)
	read := func(want catalog.Entry, there bool) {
		t.Helper()
		e, ok, err := catalog.Read(t.Context(), f.js, fn.Key())
		if err != nil || ok != there || !cmp.Equal(e, want) {
			t.Errorf("read %+v, %v, %v", e, ok, err)
		}
	}
	read(catalog.Entry{}, false) // no stream
	if err := catalog.Ensure(t.Context(), f.js, 1); err != nil {
		t.Fatal(err)
	}
	read(catalog.Entry{}, false) // no entry
	f.put(t, fn)
	read(catalog.EntryOf(fn), true)
	if _, err := f.js.Publish(t.Context(), "pelton.function.shop.fn", []byte("{")); err != nil {
		t.Fatal(err)
	}
	read(catalog.Entry{}, true) // nonsense
	if err := catalog.Remove(t.Context(), f.js, fn.Key()); err != nil {
		t.Fatal(err)
	}
	read(catalog.Entry{}, false)
}

// TestEntriesOfHTTPTriggers: a front door learns where requests go, in an order that does not change.
func TestEntriesOfHTTPTriggers(t *testing.T) {
	t.Parallel()
	f := start(t)
	if err := catalog.Ensure(t.Context(), f.js, 1); err != nil {
		t.Fatal(err)
	}
	web := makeFunction("web", 1)
	web.Spec.Timeout, web.Spec.Handler.Protocol = function.Duration(time.Minute), function.ProtocolHTTP
	web.Spec.Triggers = []function.Trigger{
		{HTTP: &function.HTTPTrigger{Path: "/tasks", Methods: []string{"POST"}, Mode: function.ModeAsync}},
	}
	f.put(t, web)
	f.put(t, makeFunction("plain", 1))
	f.run(t)
	waittest.Eventually(t, f.catalog.Ready)
	entries := f.catalog.Entries()
	if len(entries) != 2 || entries[0].Name != "plain" || entries[0].HTTP != nil {
		t.Fatalf("got %+v", entries)
	}
	want := &catalog.HTTP{
		Triggers: []function.HTTPTrigger{*web.Spec.Triggers[0].HTTP}, Timeout: web.Spec.Timeout, Protocol: function.ProtocolHTTP,
	}
	if diff := cmp.Diff(want, entries[1].HTTP, cmpopts.IgnoreFields(catalog.HTTP{}, "Since")); diff != "" {
		t.Errorf("entry of web (-want +got):\n%s", diff)
	}
}

// TestClaimsAreKnownSince they were first entered, whatever else of the function changes.
func TestClaimsAreKnownSince(t *testing.T) {
	t.Parallel()
	f := start(t)
	if err := catalog.Ensure(t.Context(), f.js, 1); err != nil {
		t.Fatal(err)
	}
	web := makeFunction("web", 1)
	enter := func(paths ...string) map[string]time.Time {
		t.Helper()
		web.Spec.Triggers = nil
		for _, path := range paths {
			web.Spec.Triggers = append(web.Spec.Triggers, function.Trigger{HTTP: &function.HTTPTrigger{Path: path, Methods: []string{"POST"}}})
		}
		f.put(t, web)
		e, _, err := catalog.Read(t.Context(), f.js, web.Key())
		if err != nil {
			t.Fatal(err)
		}
		return e.HTTP.Since
	}
	first := enter("/a")
	second := enter("/a", "/b")
	if len(first) != 1 || len(second) != 2 || !second["POST /a"].Equal(first["POST /a"]) || !second["POST /b"].After(first["POST /a"]) {
		t.Errorf("first %v, second %v", first, second)
	}
	if without := enter("/b"); len(without) != 1 || !without["POST /b"].Equal(second["POST /b"]) {
		t.Errorf("without /a: %v, want /b as in %v", without, second)
	}
	if again := enter("/a", "/b"); !again["POST /a"].After(second["POST /b"]) {
		t.Errorf("/a is back, and known since %v", again)
	}
	old := []byte(`{"namespace":"` + web.Metadata.Namespace + `","name":"web","http":{"triggers":[{"path":"/a","methods":["POST"]}]}}`)
	if _, err := f.js.Publish(t.Context(), "pelton.function."+web.Metadata.Namespace+".web", old); err != nil {
		t.Fatal(err)
	}
	if since := enter("/a", "/b"); len(since) != 1 || since["POST /b"].IsZero() {
		t.Errorf("of an entry that had no times: %v, want one for /b alone", since)
	}
}
