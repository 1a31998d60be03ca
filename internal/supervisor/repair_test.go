package supervisor

import (
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestLostConsumerComesBack deletes a function's consumer: at zero, and while a replica waits. What is published before it
// is made again is not skipped.
func TestLostConsumerComesBack(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*function.Spec){"zero": func(*function.Spec) {}, "warm": always} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn := makeFunction(t, name, "serve", change)
			r := newRig(t, nil, fn)
			r.await(name, "ready", func(s Status) bool { return s.Ready == fn.Spec.Scale.MinReplicas })
			c := stream.ConsumersOf(fn)[0]
			r.awaitPulls(c, 1+fn.Spec.Scale.MinReplicas)
			if err := r.js.DeleteConsumer(t.Context(), c.Stream, c.Name); err != nil {
				t.Fatal(err)
			}
			r.publish(name, "x")
			r.awaitDone(name, 1)
			if _, err := r.js.Consumer(t.Context(), c.Stream, c.Name); err != nil {
				t.Error(err)
			}
			if s := r.statusOf(name); s.SetupError != "" {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// TestLostStream deletes the stream of one of two triggers. The other goes on, from zero and back. The status tells, until
// the stream is there again.
func TestLostStream(t *testing.T) {
	t.Parallel()
	fn := makeFunction(t, "a", "serve", func(s *function.Spec) {
		other := &function.EventTrigger{Stream: "OTHER", Subjects: []string{"other.a"}}
		s.Triggers = append(s.Triggers, function.Trigger{Event: other})
	})
	r := newRig(t, nil)
	r.createStream("OTHER", "other.>")
	r.sup.Apply([]*function.Function{fn})
	r.awaitPhase("a", PhaseIdle)
	r.awaitPulls(stream.ConsumersOf(fn)[1], 1)
	if err := r.js.DeleteStream(t.Context(), "OTHER"); err != nil {
		t.Fatal(err)
	}
	r.await("a", "told", func(s Status) bool { return contains(s.SetupError, `"OTHER" does not exist`) && s.QueueError != "" })
	for n := range 2 {
		r.publish("a", "x")
		r.awaitDone("a", n+1)
		r.await("a", "at zero", func(s Status) bool { return s.Phase == PhaseIdle && len(s.Replicas) == 0 })
	}
	r.createStream("OTHER", "other.>")
	if _, err := r.js.Publish(t.Context(), "other.a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	r.awaitDone("a", 3)
	r.await("a", "well again", func(s Status) bool { return s.SetupError == "" && s.QueueError == "" })
}

func TestRepairsWaitForEachOther(t *testing.T) {
	t.Parallel()
	var r repair
	now := time.Now()
	for _, want := range []time.Duration{provisionRetry, 2 * provisionRetry, 4 * provisionRetry} {
		r.begin(now)
		if wait := r.retry.Sub(now); wait != want {
			t.Errorf("the next waits %v, want %v", wait, want)
		}
		now = r.retry
	}
	now = now.Add(repairRest + 1)
	if r.begin(now); r.retry.Sub(now) != provisionRetry {
		t.Errorf("after a rest the next waits %v", r.retry.Sub(now))
	}
}

// TestSchedulesOfRemovedFunctions starts on a server with the schedule of a function that is gone. On a server that others
// use, it is left alone.
func TestSchedulesOfRemovedFunctions(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]bool{"own server": true, "server of others": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := natstest.Start(t)
			gone, stays := makeFunction(t, "gone", "serve", yearly), makeFunction(t, "stays", "serve", yearly)
			if _, err := stream.Ensure(t.Context(), srv.JetStream(t), stream.Config{}); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.EnsureFunction(t.Context(), srv.JetStream(t), gone); err != nil {
				t.Fatal(err)
			}
			r := newRigOn(t, srv, func(c *Config) { c.OwnServer = own }, stays)
			want := 2
			if own {
				want = 1
			}
			waittest.Eventually(t, func() error { return r.schedules(want) })
			r.sup.Apply(nil)
			waittest.Eventually(t, func() error { return r.schedules(want - 1) })
			r.sup.Apply([]*function.Function{stays})
			r.sup.Apply(nil)
			r.sup.Apply([]*function.Function{stays})
			waittest.Eventually(t, func() error { return r.schedules(want) })
		})
	}
}

func yearly(s *function.Spec) {
	s.Triggers = append(s.Triggers, function.Trigger{Schedule: &function.ScheduleTrigger{Cron: "0 0 1 1 *"}})
}
