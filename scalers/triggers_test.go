package scalers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kedatest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/scalers"
)

// TestTwoTriggersOfOneObject disturb each other in nothing.
func TestTwoTriggersOfOneObject(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *scalers.Config) { c.FreshStart, c.Settle = time.Hour, time.Hour })
	r.provision("busy", nil)
	r.provision("idle", nil)
	busy, idle := ref("both", "function", "busy"), ref("both", "function", "idle")
	r.publish("busy", 5)
	r.awaitMetric(busy, 5, 4)
	r.awaitMetric(idle, 0, 4)
	for _, ask := range []*externalscaler.ScaledObjectRef{busy, idle} {
		for _, ends := range []bool{true, false} { // each stream is ended once for the sake of KEDA's back-off
			active, err := r.client.StreamIsActive(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = active.Recv(); err != nil {
				t.Fatal(err)
			}
			if !ends {
				break
			}
			if _, err = active.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("%v: then %v; want a clean end", ask.ScalerMetadata, err)
			}
		}
	}
	objects := r.scaler.DecisionsOf("shop", "both")
	if len(objects) != 2 || objects[0].Source != "function busy" || objects[1].Source != "function idle" {
		t.Fatalf("objects %+v, want one for each trigger", objects)
	}
	for i, due := range []int{5, 0} {
		if o := objects[i]; o.Streams != 1 || len(o.Decisions) == 0 || o.Decisions[0].Due != due {
			t.Errorf("%s: %+v, want %d due and one stream", o.Source, o, due)
		}
	}
}

// TestRefusedTriggerIsTold keeps what was wrong apart from what is right now.
func TestRefusedTriggerIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.provision("hello", nil)
	for _, key := range []string{"funktion", "functio"} {
		if _, err := r.client.IsActive(t.Context(), ref("hello", key, "hello")); err == nil {
			t.Fatalf("%s is taken", key)
		}
	}
	r.awaitActive(ref("hello", "function", "hello"), false)
	objects := r.scaler.DecisionsOf("shop", "hello")
	if len(objects) != 2 || objects[0].Source != "" || objects[1].Source != "function hello" || objects[1].Decisions[0].Error != "" {
		t.Fatalf("objects %+v, want the refused one and the good one", objects)
	}
	if told := fmt.Sprint(objects[0].Decisions); !strings.Contains(told, `"funktion"`) || !strings.Contains(told, `"functio"`) {
		t.Errorf("refused: %s", told)
	}
}

// TestNoReplicaForWhatIsNotGivenOut has a consumer of which only four messages may be in work at once.
func TestNoReplicaForWhatIsNotGivenOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	if _, err := r.js.CreateConsumer(t.Context(), stream.EventsStream, jetstream.ConsumerConfig{
		Durable: "narrow", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "events.jobs", MaxAckPending: 4,
	}); err != nil {
		t.Fatal(err)
	}
	r.publish("jobs", 20)
	ask := ref("narrow", "stream", "EVENTS", "consumer", "narrow", "concurrency", "2")
	waittest.Eventually(t, func() error {
		r.awaitMetric(ask, 4, 2) // two replicas; of the first four that are counted, too
		o := r.scaler.DecisionsOf("shop", "narrow")
		if len(o) != 1 || !strings.Contains(fmt.Sprint(o[0].Decisions), "20 due and 0 in flight at 2 per replica: 10 replicas; "+
			"bounded to 2, as at most 4 are given out at once") {
			return fmt.Errorf("decisions %+v", o)
		}
		return nil
	})
}

// TestUnmeasuredTargetIsNotPushed follows a drain goal before anything was measured: the first target that comes is the one that
// needs no service time.
func TestUnmeasuredTargetIsNotPushed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	drain := func(s *function.Spec) { s.Scale.Target = function.Target{Drain: function.Duration(time.Minute)} }
	r.provision("drained", drain)
	ask := ref("drained", "function", "drained")
	specs, err := r.client.StreamMetricSpec(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	r.awaitMetric(ask, 0, 4) // who asks is answered
	r.provision("drained", func(s *function.Spec) { s.Concurrency = 16 })
	if got, err := specs.Recv(); err != nil || got.MetricSpecs[0].TargetSizeFloat != 16 {
		t.Errorf("first target %v, %v; want 16", got, err)
	}
}

// TestKEDAKeepsAMeasuredTargetOverARestart measures a service time, and starts the scaler anew with nothing to measure.
func TestKEDAKeepsAMeasuredTargetOverARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fn := w.function(t, "drained", 2)
	fn.Spec.Scale.Target = function.Target{Drain: function.Duration(time.Hour)}
	w.enter(t, fn)
	r := w.startScaler(t, "127.0.0.1:0")
	op := startKEDA(t, kedatest.Config{Addresses: []string{r.addr}})
	key := op.scale(t, fn, kedatest.Object{PollingInterval: 5 * keda, ScaleDownStabilization: none})
	measured := op.awaitMeasured(t, w, fn, key)
	r.kill()
	gone := op.Status(key).PollErrors
	op.await(t, key, "an error", func(s kedatest.Status) bool { return s.PollErrors > gone })
	w.startScaler(t, r.addr)
	if s := op.awaitPolls(t, key, 5); s.Spec.Target != measured {
		t.Errorf("target %v after a restart, want %v still", s.Spec.Target, measured)
	}
	w.publish(t, "drained", 3)
	if s := op.awaitPolls(t, key, 5); s.Spec.Target != measured {
		t.Errorf("target %v with events due after a restart, want %v still", s.Spec.Target, measured)
	}
}

// awaitMeasured works off events until KEDA has a target that follows the service time.
func (o operator) awaitMeasured(t *testing.T, w *world, fn *function.Function, key kedatest.Key) float64 {
	t.Helper()
	var target float64
	waittest.Eventually(t, func() error {
		w.publish(t, fn.Metadata.Name, 2)
		taken := w.take(t, fn, false, 2)
		<-time.After(120 * time.Millisecond) // it is how long they take
		ack(t, taken...)
		if target = o.Status(key).Spec.Target; target <= 2 {
			return fmt.Errorf("target %v, want a measured one", target)
		}
		return nil
	})
	return target
}

// stuckStream is one whose client takes nothing.
type stuckStream struct {
	grpc.ServerStreamingServer[externalscaler.IsActiveResponse]

	ctx     context.Context
	sending chan struct{} // closed by the first message
	release chan struct{}
}

func (s *stuckStream) Context() context.Context { return s.ctx }

func (s *stuckStream) Send(*externalscaler.IsActiveResponse) error {
	close(s.sending)
	<-s.release
	return io.ErrClosedPipe
}

// TestStopDoesNotWaitForAStuckStream ends a scaler while it sends what nobody takes.
func TestStopDoesNotWaitForAStuckStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *scalers.Config) { c.StopTimeout = 50 * time.Millisecond })
	r.provision("hello", nil)
	s := &stuckStream{ctx: t.Context(), sending: make(chan struct{}), release: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- r.scaler.StreamIsActive(ref("hello", "function", "hello"), s) }()
	waittest.Receive(t, s.sending)
	stopped := make(chan struct{})
	go func() {
		r.stop()
		close(stopped)
	}()
	waittest.Receive(t, stopped)
	close(s.release)
	if err := waittest.Receive(t, ended); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the stream ended with %v", err)
	}
}
