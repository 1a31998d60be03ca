package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

var errBroken = errors.New("broken")

// until returns err once ctx has ended.
func until(err error) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		return err
	}
}

// with returns err at once.
func with(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

func TestRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		actors []Actor
		first  Exit
		want   []string // in the error; none means that there is none
		not    string   // not in the error
	}{
		"the first ends without an error": {[]Actor{{"a", with(nil)}, {"b", until(nil)}}, Exit{"a", nil}, nil, ""},
		"the first fails": {
			[]Actor{{"a", until(nil)}, {"b", with(errBroken)}},
			Exit{"b", errBroken},
			[]string{"b: broken"},
			"",
		},
		"another fails while it stops": {
			[]Actor{{"a", with(errBroken)}, {"b", until(errors.New("dirty"))}},
			Exit{"a", errBroken},
			[]string{"a: broken", "b: dirty"},
			"",
		},
		"stopping is not an error": {
			[]Actor{{"a", with(errBroken)}, {"b", until(context.Canceled)}},
			Exit{"a", errBroken},
			[]string{"a: broken"},
			"b:",
		},
		"a wrapped one neither": {
			[]Actor{{"a", with(nil)}, {"b", until(fmt.Errorf("read: %w", context.Canceled))}},
			Exit{"a", nil},
			nil, "",
		},
		"a deadline of its own is one": {
			[]Actor{{"a", with(nil)}, {"b", until(context.DeadlineExceeded)}},
			Exit{"a", nil},
			[]string{"b: context deadline"},
			"",
		},
		"canceled without a stop is one": {
			[]Actor{{"a", with(context.Canceled)}, {"b", until(nil)}},
			Exit{"a", context.Canceled},
			[]string{"a: context canceled"},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first []Exit
			err := Run(t.Context(), func(e Exit) { first = append(first, e) }, c.actors...)
			if len(first) != 1 || first[0] != c.first {
				t.Errorf("told %v, want %v once", first, c.first)
			}
			if (err != nil) != (len(c.want) > 0) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q, want %q in it", err, part)
				}
			}
			if c.not != "" && strings.Contains(err.Error(), c.not) {
				t.Errorf("error %q, want no %q in it", err, c.not)
			}
		})
	}
}

func TestRunAwaitsAll(t *testing.T) {
	t.Parallel()
	var over atomic.Int32
	actors := []Actor{{"first", with(errBroken)}}
	for range 50 {
		actors = append(actors, Actor{"slow", func(ctx context.Context) error {
			<-ctx.Done()
			over.Add(1)
			return nil
		}})
	}
	if err := Run(t.Context(), nil, actors...); !errors.Is(err, errBroken) {
		t.Errorf("error %v, want %v", err, errBroken)
	}
	if n := over.Load(); n != 50 {
		t.Errorf("%d of 50 actors were over when Run returned", n)
	}
}

// TestRunStopped ends the group from outside: that is no error, and all actors see it.
func TestRunStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan struct{}, 2)
	actor := func(ctx context.Context) error {
		running <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	done := make(chan error, 1)
	go func() { done <- Run(ctx, nil, Actor{"a", actor}, Actor{"b", actor}) }()
	<-running
	<-running
	cancel()
	if err := <-done; err != nil {
		t.Errorf("error %v, want none", err)
	}
}

// TestFirstIsToldBeforeTheOthersEnd makes sure that the log has the cause before its consequences.
func TestFirstIsToldBeforeTheOthersEnd(t *testing.T) {
	t.Parallel()
	told := false
	err := Run(t.Context(), func(Exit) { told = true }, Actor{"a", with(nil)}, Actor{"b", func(ctx context.Context) error {
		<-ctx.Done()
		if !told {
			return errors.New("stopped before the first was told")
		}
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestRunNothing(t *testing.T) {
	t.Parallel()
	if err := Run(t.Context(), func(e Exit) { t.Errorf("told %v", e) }); err != nil {
		t.Error(err)
	}
}
