package sidecar_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// seen counts how often each event was done.
type seen struct {
	mu   sync.Mutex
	done map[string]int
}

func (s *seen) invoke(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[c.Event.ID]++
	return invoke.Outcome{}, nil
}

// missing says which of the events from one number to another are not done.
func (s *seen) missing(from, to int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for i := from; i < to; i++ {
		if s.done[strconv.Itoa(i)] == 0 {
			ids = append(ids, strconv.Itoa(i))
		}
	}
	if len(ids) > 0 {
		return fmt.Errorf("not done: %s", strings.Join(ids, " "))
	}
	return nil
}

// TestConsumersAndStreamsAreLostUnderLoad takes away, in the middle of a load, the consumers, what the stream holds, and the stream
// itself, and has them made again. What is published from then on comes, without a hand: the sidecar never waits at something
// that is gone.
func TestConsumersAndStreamsAreLostUnderLoad(t *testing.T) {
	t.Parallel()
	const each = 300
	s := &seen{done: map[string]int{}}
	f := setup(t, func(spec *function.Spec) { spec.Concurrency = 4 }, s.invoke)
	consumers := stream.ConsumersOf(f.fn)
	ensure := func() error {
		_, err := stream.Ensure(t.Context(), f.js, stream.Config{})
		if err == nil {
			_, err = stream.EnsureFunction(t.Context(), f.js, f.fn)
		}
		return err
	}
	f.start()
	next := 0
	for name, lose := range map[string]func() error{
		"the consumer of events": func() error { return f.js.DeleteConsumer(t.Context(), consumers[0].Stream, consumers[0].Name) },
		"the consumer of work":   func() error { return f.js.DeleteConsumer(t.Context(), consumers[1].Stream, consumers[1].Name) },
		"the stream":             func() error { return f.js.DeleteStream(t.Context(), stream.EventsStream) },
		"what the stream holds": func() error {
			events, err := f.js.Stream(t.Context(), stream.EventsStream)
			if err != nil {
				return err
			}
			return events.Purge(t.Context())
		},
	} {
		for range each { // what becomes of these depends on the moment
			if _, err := f.js.PublishMsgAsync(msg(next)); err != nil {
				t.Fatal(err)
			}
			next++
		}
		if err := lose(); err != nil {
			t.Fatalf("lose %s: %v", name, err)
		}
		if err := ensure(); err != nil {
			t.Fatalf("make %s again: %v", name, err)
		}
		from := next
		for range each / 3 {
			f.publish("events.hello", "", ceHeader(strconv.Itoa(next)))
			f.publish("pelton.work.default.hello.direct", "", ceHeader(strconv.Itoa(next+1)))
			next += 2
		}
		waittest.Eventually(t, func() error {
			if err := s.missing(from, next); err != nil {
				return fmt.Errorf("after %s was lost: %w", name, err)
			}
			return nil
		})
	}
	f.awaitSettled()
}

// TestFullDeadLettersHoldUpNobodyElse: while the stream of dead letters is full, what is to go there keeps its place, others are
// worked off beside it, and nothing is lost when there is room again.
func TestFullDeadLettersHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	const bad, good = 3, 200
	f := setup(t, func(spec *function.Spec) { spec.Concurrency = bad + 1 },
		func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
			if strings.HasPrefix(c.Event.ID, "bad") {
				return invoke.Outcome{Kind: invoke.Reject, Reason: "never"}, nil
			}
			return invoke.Outcome{}, nil
		})
	limitLetters := func(n int64) {
		t.Helper()
		dead, err := f.js.Stream(t.Context(), stream.DeadStream)
		if err != nil {
			t.Fatal(err)
		}
		cfg := dead.CachedInfo().Config
		if cfg.MaxMsgs = n; cfg.Discard != jetstream.DiscardNew {
			t.Fatalf("the stream of dead letters discards %v", cfg.Discard)
		}
		if _, err := f.js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	limitLetters(1)
	for i := range bad {
		f.publish("events.hello", "", ceHeader("bad"+strconv.Itoa(i)))
	}
	r := f.start()
	waittest.Eventually(t, func() error {
		if letters, held := len(f.letters()), r.InFlight(); letters != 1 || held != bad-1 {
			return fmt.Errorf("%d dead letters and %d in flight, want 1 and %d", letters, held, bad-1)
		}
		return nil
	})
	f.publishMany(good)
	waittest.Eventually(t, func() error {
		f.runs.mu.Lock()
		defer f.runs.mu.Unlock()
		if n := len(f.runs.all); n < good+1 {
			return fmt.Errorf("%d runs, want the good events and one letter", n)
		}
		return nil
	})
	if n := len(f.letters()); n != 1 {
		t.Errorf("%d dead letters in a stream for one", n)
	}
	limitLetters(-1)
	f.awaitSettled()
	if n := len(f.letters()); n != bad {
		t.Errorf("%d dead letters, want %d", n, bad)
	}
}

// TestHungCallsFreeTheirSlots fills every slot with calls that never end: each is cut when its time is over, and what waits behind
// them is done.
func TestHungCallsFreeTheirSlots(t *testing.T) {
	t.Parallel()
	s := &seen{done: map[string]int{}}
	f := setup(t, func(spec *function.Spec) {
		spec.Concurrency, spec.Timeout, spec.Retry.MaxAttempts = 2, function.Duration(300*time.Millisecond), 2
	}, func(ctx context.Context, c *invoke.Call) (invoke.Outcome, error) {
		if n, err := strconv.Atoi(c.Event.ID); err == nil && n < 6 {
			ctx, cancel := context.WithDeadline(ctx, c.Deadline)
			defer cancel()
			<-ctx.Done()
			return invoke.Outcome{}, invoke.Interrupted(ctx)
		}
		return s.invoke(ctx, c)
	})
	f.publishMany(50)
	f.start()
	f.awaitSettled()
	if err := s.missing(6, 50); err != nil {
		t.Error(err)
	}
	letters := f.letters()
	if len(letters) != 6 {
		t.Errorf("%d dead letters, want 6", len(letters))
	}
	for _, l := range letters {
		if l.Attempts != 2 || !strings.Contains(l.Error, "no answer within 300ms") {
			t.Errorf("letter %+v", l)
		}
	}
}
