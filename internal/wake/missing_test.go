package wake

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// seat is a running watcher whose inside a test can see.
type seat struct {
	*Watcher
	key function.Key
}

func newSeat(t *testing.T, nc *nats.Conn, cfg Config, consumers ...string) *seat {
	t.Helper()
	w, err := New(nc, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &seat{w, function.Key{Namespace: "default", Name: "hello"}}
	var cs []stream.Consumer
	for _, name := range consumers {
		cs = append(cs, stream.Consumer{Stream: "JOBS", Name: name})
	}
	w.Watch(s.key, cs, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *seat) await(t *testing.T, want string, ok func(Reading) bool) {
	t.Helper()
	waittest.Eventually(t, func() error {
		if r := s.Reading(s.key); !ok(r) {
			return fmt.Errorf("reading is %+v, want %s", r, want)
		}
		return nil
	})
}

// probe returns one of the probes once ok finds it so.
func (s *seat) awaitProbe(t *testing.T, i int, want string, ok func(*probe) bool) {
	t.Helper()
	waittest.Eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p := s.functions[s.key].probes[i]; !ok(p) {
			return fmt.Errorf("probe %d is %+v, want %s", i, p, want)
		}
		return nil
	})
}

func newJobs(t *testing.T, srv *natstest.Server, consumers ...string) jetstream.JetStream {
	t.Helper()
	js := srv.JetStream(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs.*"}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range consumers {
		newConsumer(t, js, name)
	}
	return js
}

func newConsumer(t *testing.T, js jetstream.JetStream, name string) {
	t.Helper()
	if _, err := js.CreateConsumer(t.Context(), "JOBS", jetstream.ConsumerConfig{
		Durable: name, AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "jobs." + name,
	}); err != nil {
		t.Fatal(err)
	}
}

// TestMissingConsumerIsLookedForLessAndLess looks at the waits alone.
func TestMissingConsumerIsLookedForLessAndLess(t *testing.T) {
	t.Parallel()
	var p probe
	for i, most := range []time.Duration{2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30} {
		most *= time.Second
		if wait := p.nextLook(); wait < most/2 || wait > most {
			t.Errorf("look %d comes after %v, want %v to %v", i, wait, most/2, most)
		}
	}
	p.setErr(nil)
	if wait := p.nextLook(); wait > 2*time.Second {
		t.Errorf("it was there meanwhile, and the next look comes after %v", wait)
	}
}

// TestMissingConsumerIsSeenWhenItIsMade has nobody look for it but for the server's word.
func TestMissingConsumerIsSeenWhenItIsMade(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := newJobs(t, srv)
	s := newSeat(t, srv.Conn(t), Config{AllWork: true, DepthInterval: 20 * time.Millisecond}, "late")
	s.await(t, "an error", func(r Reading) bool { return errors.Is(r.Err, ErrNoConsumer) })
	s.awaitProbe(t, 0, "no look under way", func(p *probe) bool {
		p.timer.Stop() // nobody looks by itself any more
		return !p.of.busy && p.number == "" && p.missing()
	})
	newConsumer(t, js, "late")
	s.await(t, "no error", func(r Reading) bool { return r.Err == nil && r.Known })
	if _, err := js.Publish(t.Context(), "jobs.late", []byte("x")); err != nil {
		t.Fatal(err)
	}
	s.await(t, "one due", func(r Reading) bool { return r.Due == 1 })
}

// TestNewsOfOneConsumerHidesNoErrorOfAnother has a probe fire beside a consumer that is missing.
func TestNewsOfOneConsumerHidesNoErrorOfAnother(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := newJobs(t, srv, "here")
	s := newSeat(t, srv.Conn(t), Config{AllWork: true, DepthInterval: 20 * time.Millisecond}, "here", "missing")
	var hidden atomic.Int64
	s.mu.Lock()
	s.functions[s.key].onChange = func() {
		if r := s.Reading(s.key); r.Err == nil {
			hidden.Add(1)
		}
	}
	s.mu.Unlock()
	c, err := js.Consumer(t.Context(), "JOBS", "here")
	if err != nil {
		t.Fatal(err)
	}
	s.await(t, "an error", func(r Reading) bool { return errors.Is(r.Err, ErrNoConsumer) })
	for range 5 {
		s.awaitProbe(t, 0, "a parked one", func(p *probe) bool { return p.number != "" })
		if _, err := js.Publish(t.Context(), "jobs.here", []byte("x")); err != nil {
			t.Fatal(err)
		}
		s.await(t, "one due", func(r Reading) bool { return r.Due == 1 })
		m, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.await(t, "nothing due", func(r Reading) bool { return r.Due+r.InFlight == 0 && r.Known })
	}
	if n := hidden.Load(); n > 0 {
		t.Errorf("%d readings do not tell of the consumer that is missing", n)
	}
}

// TestLimitOfWhatIsInFlight adds up those of the consumers.
func TestLimitOfWhatIsInFlight(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := newJobs(t, srv)
	for name, limit := range map[string]int{"few": 3, "more": 4, "all": -1} {
		if _, err := js.CreateConsumer(t.Context(), "JOBS", jetstream.ConsumerConfig{
			Durable: name, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: limit,
		}); err != nil {
			t.Fatal(err)
		}
	}
	newSeat(t, srv.Conn(t), Config{}, "few", "more").await(t, "7", func(r Reading) bool { return r.Known && r.MaxInFlight == 7 })
	newSeat(t, srv.Conn(t), Config{}, "few", "all").await(t, "no limit", func(r Reading) bool { return r.Known && r.MaxInFlight == 0 })
	newSeat(t, srv.Conn(t), Config{}, "few", "none").await(t, "3", func(r Reading) bool { return r.Known && r.MaxInFlight == 3 })
}
