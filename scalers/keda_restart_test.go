package scalers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/pelton-dev/pelton/internal/kedatest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const restarts = 5

// TestKEDAComesBackAfterEveryStop stops the scaler as SIGTERM does. Polls cannot help: only a stream that ends cleanly every
// time is opened again as soon as the first time.
func TestKEDAComesBackAfterEveryStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.FreshStart = -1 // else it would end streams cleanly by itself
	r := w.startScaler(t, "127.0.0.1:0")
	op := startKEDA(t, kedatest.Config{Addresses: []string{r.addr}})
	keys := make([]kedatest.Key, restarts)
	for i := range keys {
		keys[i] = op.scale(t, w.function(t, fmt.Sprintf("f%d", i), 1), kedatest.Object{PollingInterval: never})
	}
	for i, key := range keys {
		r.awaitStreams(t, len(keys))
		before := op.cleanEnds(keys)
		r.stop()
		op.awaitReset(t, keys, before)
		w.publish(t, key.Name, 1)
		r = w.startScaler(t, r.addr)
		back := time.Now()
		op.awaitReplicas(t, key, 1)
		t.Logf("stop %d: woken %v after the scaler was back", i+1, op.lastReplicas(t, key, 1).Time.Sub(back))
	}
}

// awaitStreams waits until both streams of every object are open, as the scaler sees it.
func (r *replica) awaitStreams(t *testing.T, objects int) {
	t.Helper()
	waittest.Eventually(t, func() error {
		if c := r.scaler.Counts(); c.Streams != 2*objects {
			return fmt.Errorf("%d streams are open, want %d", c.Streams, 2*objects)
		}
		return nil
	})
}

// checkCleanEnds wants the shortest back-off after every clean end.
func (o operator) checkCleanEnds(t *testing.T) {
	t.Helper()
	for _, e := range o.Timeline() {
		if e.Kind == kedatest.KindStreamEnd && strings.HasPrefix(e.Text, "EOF") && !strings.HasSuffix(e.Text, "in 2s") {
			t.Error(e)
		}
	}
}

// TestKEDAComesBackAfterEveryKill kills the scaler while events come for functions at zero. The first answer that a new
// scaler gives to a poll must be the truth, and streams must not stay away for longer each time.
func TestKEDAComesBackAfterEveryKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.startScaler(t, "127.0.0.1:0")
	op := startKEDA(t, kedatest.Config{Addresses: []string{r.addr}})
	var keys []kedatest.Key
	for i := range 2 * restarts {
		fn := w.function(t, fmt.Sprintf("f%d", i), 1)
		keys = append(keys, op.scale(t, fn, kedatest.Object{PollingInterval: 10 * keda}))
	}
	for _, key := range keys {
		op.awaitIdle(t, key)
	}
	for i := range restarts {
		r.kill()
		waiting := keys[2*i : 2*i+2]
		for _, key := range waiting {
			w.publish(t, key.Name, 1)
		}
		resets := op.cleanEnds(keys)
		r = w.startScaler(t, r.addr)
		op.awaitWoken(t, waiting)
		op.awaitReset(t, keys, resets)
	}
	for _, e := range op.Timeline() { // a scaler that has just started does not know: that is Unavailable
		if e.Kind == kedatest.KindError && strings.Contains(e.Text, codes.NotFound.String()) {
			t.Errorf("every function was there all the time: %v", e)
		}
	}
}

func (o operator) cleanEnds(keys []kedatest.Key) []int {
	var ns []int
	for _, key := range keys {
		ns = append(ns, o.Status(key).CleanEnds)
	}
	return ns
}

// awaitWoken wants a replica of every object by the first poll that works. One that began earlier may have been answered by the
// scaler before.
func (o operator) awaitWoken(t *testing.T, keys []kedatest.Key) {
	t.Helper()
	back := time.Now()
	for _, key := range keys {
		s := o.await(t, key, "a new poll that works", func(s kedatest.Status) bool { return s.GoodPollBegan.After(back) })
		if s.Replicas != 1 {
			t.Errorf("%v: a new scaler has answered a poll, and there are %d replicas: %+v", key, s.Replicas, s)
		}
		t.Logf("%v woken %v after the scaler was back", key, o.lastReplicas(t, key, 1).Time.Sub(back))
	}
}

// awaitReset wants one more clean end of every stream: nothing else resets KEDA's back-off.
func (o operator) awaitReset(t *testing.T, keys []kedatest.Key, before []int) {
	t.Helper()
	for i, key := range keys {
		o.await(t, key, "a clean end", func(s kedatest.Status) bool { return s.CleanEnds > before[i] })
	}
	o.checkCleanEnds(t)
}

// TestKEDAListensAgainSoonAfterNATSWasGone: every poll that fails makes KEDA close its connection, and its streams with it,
// which doubles the back-off. One stream that ends cleanly afterwards must undo that, or the next end costs a minute.
func TestKEDAListensAgainSoonAfterNATSWasGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fn := w.function(t, "hello", 1)
	op := startKEDA(t, kedatest.Config{Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}})
	key := op.scale(t, fn, kedatest.Object{PollingInterval: 10 * keda})
	op.awaitIdle(t, key)
	w.nats.Stop()
	gone := op.await(t, key, "a back-off of 32 s", func(s kedatest.Status) bool { return s.Backoff >= 32*keda })
	w.nats.Restart(t)
	op.awaitPolls(t, key, 1)
	back := op.Status(key)
	for range 60 { // 10 minutes; the stream is opened again within one
		if s := op.awaitPolls(t, key, 1); s.CleanEnds > gone.CleanEnds {
			op.checkCleanEnds(t)
			return
		}
	}
	s := op.Status(key)
	t.Errorf("10 minutes after NATS came back, with %d streams opened since, the back-off is still %v", s.StreamsOpened-
		back.StreamsOpened, s.Backoff)
}
