package catalog_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestStreamMadeAnewIsFollowed deletes the stream and makes it again, as a NATS that lost its store does: its sequences begin
// anew, before the last one that was seen.
func TestStreamMadeAnewIsFollowed(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c, err := catalog.New(srv.Conn(t), catalog.Config{Check: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{js: srv.JetStream(t), catalog: c}
	if err := catalog.Ensure(t.Context(), f.js, 1); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := catalog.Put(t.Context(), f.js, makeFunction(fmt.Sprint("old-", i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	f.run(t)
	waittest.Eventually(t, f.catalog.Ready)
	if err := f.js.DeleteStream(t.Context(), catalog.StreamName); err != nil {
		t.Fatal(err)
	}
	if err := catalog.Ensure(t.Context(), f.js, 1); err != nil {
		t.Fatal(err)
	}
	if err := catalog.Put(t.Context(), f.js, makeFunction("new", 1)); err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		if _, ok, err := c.Lookup(function.Key{Namespace: "shop", Name: "new"}); !ok || err != nil {
			return fmt.Errorf("the new function: %v, %w", ok, err)
		}
		return nil
	})
}
