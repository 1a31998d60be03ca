package supervisor

import (
	"errors"
	"testing"

	"github.com/pelton-dev/pelton/internal/function"
)

// TestHold pauses a function, has events wait for it through a change of its manifest, holds it at more than it needs, and lets go.
func TestHold(t *testing.T) {
	t.Parallel()
	fn := makeFunction(t, "held", "serve", func(s *function.Spec) { s.Scale.MaxReplicas = 3 })
	r := newRig(t, nil, fn)
	r.awaitPhase("held", PhaseIdle)
	hold := func(n *int) {
		t.Helper()
		if err := r.sup.Hold(fn.Key(), n); err != nil {
			t.Fatal(err)
		}
	}
	hold(new(0))
	r.publish("held", "one")
	r.await("held", "paused with work", func(s Status) bool { return s.Due == 1 && s.Held != nil })
	changed := *fn
	changed.Spec.Concurrency = 2
	r.sup.Apply([]*function.Function{&changed})
	s := r.await("held", "paused with another manifest", func(s Status) bool {
		return s.Function != nil && s.Function.Spec.Concurrency == 2 && s.Due == 1
	})
	if s.Wanted != 0 || len(s.Replicas) != 0 || s.Reason == "" {
		t.Errorf("paused: %+v", s)
	}
	hold(new(2))
	if s := r.statusOf("held"); s.Wanted != 2 {
		t.Errorf("it is held at two, and %d are wanted", s.Wanted)
	}
	r.awaitDone("held", 1)
	r.await("held", "two replicas without work", func(s Status) bool { return s.Ready == 2 && s.Due == 0 })
	hold(nil)
	r.await("held", "at zero, by itself", func(s Status) bool { return len(s.Replicas) == 0 && s.Held == nil })
	if err := r.sup.Hold(function.Key{Namespace: "default", Name: "nobody"}, nil); !errors.Is(err, ErrUnknownFunction) {
		t.Errorf("a function that is not there: %v", err)
	}
	if err := r.sup.Hold(fn.Key(), new(-1)); err == nil {
		t.Error("it is held at less than nothing")
	}
}
