package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// events makes a stream for "events.>" and returns it.
func eventsStream(t testing.TB, js jetstream.JetStream, change ...func(*jetstream.StreamConfig)) jetstream.Stream {
	t.Helper()
	cfg := jetstream.StreamConfig{
		Name: "EVENTS", Subjects: []string{"events.>"}, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, AllowAtomicPublish: true,
	}
	for _, f := range change {
		f(&cfg)
	}
	s, err := js.CreateStream(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stored(t testing.TB, s jetstream.Stream) uint64 {
	t.Helper()
	info, err := s.Info(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func message(id string) *nats.Msg {
	return &nats.Msg{Subject: "events.x", Header: nats.Header{headerMsgID: {id}, "ce-id": {id}}, Data: []byte("data of " + id)}
}

func messages(ids ...string) []*nats.Msg {
	var out []*nats.Msg
	for _, id := range ids {
		out = append(out, message(id))
	}
	return out
}

// start runs a committer until the test ends.
func start(t testing.TB, nc *nats.Conn, cfg CommitterConfig) *Committer {
	t.Helper()
	c := NewCommitter(nc, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("committer ended with %v", err)
		}
	})
	return c
}

// group queues submissions before the committer runs, so that they make up one commit.
func group(t *testing.T, nc *nats.Conn, submissions ...[]*nats.Msg) []outcome {
	t.Helper()
	c := NewCommitter(nc, CommitterConfig{MinBatch: 2})
	results := make([]outcome, len(submissions))
	var wg sync.WaitGroup
	for i, msgs := range submissions {
		wg.Go(func() { results[i].acks, results[i].err = c.Submit(t.Context(), msgs...) })
		waittest.Eventually(t, func() error {
			if len(c.queue) != i+1 {
				return fmt.Errorf("%d queued, want %d", len(c.queue), i+1)
			}
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }()
	wg.Wait()
	cancel()
	<-ended
	return results
}

func TestCommitterStoresAGroupAsOneBatch(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	s := eventsStream(t, srv.JetStream(t))
	results := group(t, srv.Conn(t), messages("a"), messages("b", "c"), messages("a"), messages("d"))

	want := [][]Ack{{{1, false}}, {{2, false}, {3, false}}, {{1, true}}, {{4, false}}}
	for i, r := range results {
		if r.err != nil || fmt.Sprint(r.acks) != fmt.Sprint(want[i]) {
			t.Errorf("submission %d: got %v, %v; want %v", i, r.acks, r.err, want[i])
		}
	}
	if n := stored(t, s); n != 4 {
		t.Errorf("stored %d, want 4", n)
	}
	for seq, id := range []string{"a", "b", "c", "d"} {
		m, err := s.GetMsg(t.Context(), uint64(seq+1))
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Data) != "data of "+id || m.Header.Get(headerBatchID) == "" {
			t.Errorf("message %d: %q, batch %q", seq+1, m.Data, m.Header.Get(headerBatchID))
		}
	}
}

func TestCommitterKeepsTheRestOfAGroupWithAKnownID(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	s := eventsStream(t, srv.JetStream(t))
	nc := srv.Conn(t)
	if r := group(t, nc, messages("known")); r[0].err != nil {
		t.Fatal(r[0].err)
	}
	results := group(t, nc, messages("a"), messages("known"), messages("b", "known", "c"), messages("d"))

	want := [][]Ack{{{2, false}}, {{1, true}}, {{3, false}, {1, true}, {4, false}}, {{5, false}}}
	for i, r := range results {
		if r.err != nil || fmt.Sprint(r.acks) != fmt.Sprint(want[i]) {
			t.Errorf("submission %d: got %v, %v; want %v", i, r.acks, r.err, want[i])
		}
	}
	if n := stored(t, s); n != 5 {
		t.Errorf("stored %d, want 5", n)
	}
	last, err := s.GetMsg(t.Context(), 5)
	if err != nil || last.Header.Get(nats.MsgRollup) != "" {
		t.Errorf("last message: %v, rollup %q", err, last.Header.Get(nats.MsgRollup))
	}
}

func TestCommitterKnowsAWholeBatchAgain(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	s := eventsStream(t, srv.JetStream(t))
	nc := srv.Conn(t)
	for try := range 3 {
		r := group(t, nc, messages("a", "b", "c"))[0]
		if r.err != nil {
			t.Fatal(r.err)
		}
		for i, a := range r.acks {
			if a.Duplicate != (try > 0) || a.Sequence != uint64(i+1) {
				t.Errorf("try %d, event %d: %+v", try, i, a)
			}
		}
	}
	if n := stored(t, s); n != 3 {
		t.Errorf("stored %d, want 3", n)
	}
}

func TestCommitterFailsOnlyTheMessageThatTheStreamRefuses(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	s := eventsStream(t, srv.JetStream(t), func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1024 })
	huge := message("huge")
	huge.Data = []byte(strings.Repeat("x", 2048))
	results := group(t, srv.Conn(t), messages("a"), []*nats.Msg{huge}, []*nats.Msg{message("b"), huge}, messages("c", "d"))

	for i, wantErr := range []bool{false, true, true, false} {
		if got := results[i].err; (got != nil) != wantErr {
			t.Errorf("submission %d: error %v, want one: %v", i, got, wantErr)
		}
	}
	if !hasCode(results[1].err, codeMessageTooLarge) {
		t.Errorf("error %v, want code %d", results[1].err, codeMessageTooLarge)
	}
	if n := stored(t, s); n != 3 {
		t.Errorf("stored %d, want a, c, d only", n)
	}
}

func TestCommitterWorksWithoutAtomicBatches(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	s := eventsStream(t, srv.JetStream(t), func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false })
	results := group(t, srv.Conn(t), messages("a"), messages("b"), messages("c", "d"))
	if results[0].err != nil || results[1].err != nil {
		t.Errorf("single messages: %v, %v", results[0].err, results[1].err)
	}
	if results[2].err == nil {
		t.Error("a batch was not refused by a stream that takes none")
	}
	if n := stored(t, s); n != 2 {
		t.Errorf("stored %d, want 2", n)
	}
}

func TestCommitterPassesOverCallersThatLeft(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	s := eventsStream(t, srv.JetStream(t))
	c := NewCommitter(srv.Conn(t), CommitterConfig{})
	left, leave := context.WithCancel(t.Context())
	leave()
	gone := &submission{ctx: left, msgs: messages("gone"), done: make(chan struct{})}
	here := &submission{ctx: t.Context(), msgs: messages("here"), done: make(chan struct{})}
	c.queue <- gone
	c.queue <- here
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _ = c.Run(ctx) }()
	if <-here.done; here.err != nil {
		t.Error(here.err)
	}
	cancel()
	<-c.stopped
	if n := stored(t, s); n != 1 {
		t.Errorf("stored %d, want 1", n)
	}
	if _, err := c.Submit(t.Context(), message("late")); !errors.Is(err, ErrStopped) {
		t.Errorf("submit after the end: %v, want ErrStopped", err)
	}
}

func TestCommitterBoundsACommit(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	s := eventsStream(t, srv.JetStream(t))
	var mu sync.Mutex
	biggest := 0
	c := start(t, srv.Conn(t), CommitterConfig{MaxEvents: 7, OnCommit: func(n int) {
		mu.Lock()
		defer mu.Unlock()
		biggest = max(biggest, n)
	}})
	var g errgroup.Group
	for i := range 200 {
		g.Go(func() error {
			_, err := c.Submit(t.Context(), message(fmt.Sprint(i)))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := stored(t, s); n != 200 || biggest > 7 || biggest < 2 {
		t.Errorf("stored %d, want 200; biggest commit %d, want 2 to 7", n, biggest)
	}
}

func TestCommitterFailsAtOnceWhileDisconnected(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	s := eventsStream(t, srv.JetStream(t))
	nc := srv.Conn(t)
	c := start(t, nc, CommitterConfig{Timeout: time.Second})
	if _, err := c.Submit(t.Context(), message("before")); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	waittest.Eventually(t, func() error {
		if nc.IsConnected() {
			return errors.New("still connected")
		}
		return nil
	})
	if _, err := c.Submit(t.Context(), message("during")); err == nil {
		t.Error("stored without a server")
	}
	srv.Restart(t)
	waittest.Eventually(t, func() error {
		_, err := c.Submit(t.Context(), message("after"))
		return err
	})
	waittest.Eventually(t, func() error { _, err := s.Info(t.Context()); return err }) // its connection is back too
	if n := stored(t, s); n != 2 {
		t.Errorf("stored %d, want before and after only", n)
	}
}

// BenchmarkCommit compares one synced publish after the other with group commit, for 64 callers at once.
func BenchmarkCommit(b *testing.B) {
	const callers = 64
	srv := natstest.Start(b, natstest.SyncAlways())
	eventsStream(b, srv.JetStream(b))
	nc := srv.Conn(b)
	var commits atomic.Int64
	c := start(b, nc, CommitterConfig{Timeout: time.Minute, OnCommit: func(int) { commits.Add(1) }})
	rate := func(name string, store func(*nats.Msg) error) float64 {
		begin := time.Now()
		var next atomic.Int64
		var g errgroup.Group
		for range callers {
			g.Go(func() error {
				for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
					if err := store(message(fmt.Sprint(name, b.N, "-", i))); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		return float64(b.N) / time.Since(begin).Seconds()
	}
	single := rate("single", func(m *nats.Msg) error {
		_, err := store{nc}.request(b.Context(), m)
		return err
	})
	b.ResetTimer()
	grouped := rate("group", func(m *nats.Msg) error {
		_, err := c.Submit(b.Context(), m)
		return err
	})
	b.ReportMetric(single, "single/s")
	b.ReportMetric(grouped, "grouped/s")
	b.ReportMetric(grouped/single, "ratio")
	b.ReportMetric(float64(b.N)/float64(commits.Load()), "events/commit")
}
