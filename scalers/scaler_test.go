package scalers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/wake"
	"github.com/pelton-dev/pelton/scalers"
)

// rig is a scaler on a real server, and a client that calls it as KEDA does.
type rig struct {
	t      *testing.T
	srv    *natstest.Server
	js     jetstream.JetStream
	scaler *scalers.Scaler
	client externalscaler.ExternalScalerClient
	stop   func()
}

func newRig(t *testing.T, change func(*scalers.Config)) *rig {
	t.Helper()
	r := &rig{t: t, srv: natstest.Start(t)}
	r.js = r.srv.JetStream(t)
	if _, err := stream.Ensure(t.Context(), r.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	nc := r.srv.Conn(t)
	watcher, err := wake.New(nc, wake.Config{AllWork: true, DepthInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.New(nc, catalog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := scalers.Config{
		Watcher: watcher, Catalog: cat, Resend: 50 * time.Millisecond, FirstReading: 20 * time.Second, FreshStart: -1,
	}
	if change != nil {
		change(&cfg)
	}
	if r.scaler, err = scalers.New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 3)
	for _, run := range []func(context.Context) error{watcher.Run, cat.Run, r.scaler.Run} {
		go func() { done <- run(ctx) }()
	}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(r.stop)
	r.serve()
	waittest.Eventually(t, r.scaler.Ready)
	return r
}

func (r *rig) serve() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	server := grpc.NewServer()
	r.scaler.Register(server)
	go func() { _ = server.Serve(l) }()
	r.t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	r.client = externalscaler.NewExternalScalerClient(conn)
}

// provision makes a function as a sidecar does on its first start.
func (r *rig) provision(name string, change func(*function.Spec)) *function.Function {
	r.t.Helper()
	fn := &function.Function{Metadata: function.Metadata{Namespace: "shop", Name: name}}
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{
		Stream: stream.EventsStream, Subjects: []string{"events." + name},
	}}}
	fn.Spec.Concurrency = 4
	if change != nil {
		change(&fn.Spec)
	}
	if _, err := stream.EnsureFunction(r.t.Context(), r.js, fn); err != nil {
		r.t.Fatal(err)
	}
	if err := catalog.Put(r.t.Context(), r.js, fn); err != nil {
		r.t.Fatal(err)
	}
	return fn
}

func (r *rig) publish(name string, n int) {
	r.t.Helper()
	for range n {
		if _, err := r.js.Publish(r.t.Context(), "events."+name, []byte("x")); err != nil {
			r.t.Fatal(err)
		}
	}
}

func ref(name string, metadata ...string) *externalscaler.ScaledObjectRef {
	m := map[string]string{"scalerAddress": "scaler:9090"}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i]] = metadata[i+1]
	}
	return &externalscaler.ScaledObjectRef{Namespace: "shop", Name: name, ScalerMetadata: m}
}

// metric asks until the value and the target are as wanted.
func (r *rig) awaitMetric(ref *externalscaler.ScaledObjectRef, value, target float64) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		spec, err := r.client.GetMetricSpec(r.t.Context(), ref)
		if err != nil {
			return err
		}
		got, err := r.client.GetMetrics(r.t.Context(), &externalscaler.GetMetricsRequest{
			ScaledObjectRef: ref, MetricName: spec.MetricSpecs[0].MetricName,
		})
		if err != nil {
			return err
		}
		if len(spec.MetricSpecs) != 1 || len(got.MetricValues) != 1 {
			return fmt.Errorf("specs %v, values %v: want one of each", spec, got)
		}
		if v, s := got.MetricValues[0].MetricValueFloat, spec.MetricSpecs[0].TargetSizeFloat; v != value || s != target {
			return fmt.Errorf("value %v, target %v; want %v, %v", v, s, value, target)
		}
		return nil
	})
}

func (r *rig) awaitActive(ref *externalscaler.ScaledObjectRef, want bool) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		got, err := r.client.IsActive(r.t.Context(), ref)
		if err == nil && got.Result != want {
			err = fmt.Errorf("active is %v, want %v", got.Result, want)
		}
		return err
	})
}

// TestFunctionIsCounted goes from nothing to a backlog, with some in flight and some parked.
func TestFunctionIsCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	fn := r.provision("hello", nil)
	ask := ref("hello", "function", "hello")
	r.awaitActive(ask, false)
	r.awaitMetric(ask, 0, 4)
	r.publish("hello", 7)
	r.awaitActive(ask, true)
	r.awaitMetric(ask, 7, 4)
	c, err := r.js.Consumer(t.Context(), stream.EventsStream, stream.EventConsumer(fn.Key()))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(3, jetstream.FetchPriorityGroup(stream.PriorityGroup), jetstream.FetchPrioritized(0))
	if err != nil {
		t.Fatal(err)
	}
	var taken []jetstream.Msg
	for m := range batch.Messages() {
		taken = append(taken, m)
	}
	r.awaitMetric(ask, 7, 4) // 4 due and 3 in flight
	for _, m := range taken {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.awaitMetric(ask, 4, 4)
	o := r.scaler.DecisionsOf("shop", "hello")
	if len(o) != 1 || !strings.Contains(fmt.Sprint(o[0].Decisions), "7 due and 0 in flight at 4 per replica: 2 replicas") {
		t.Errorf("decisions %+v", o)
	}
}

// TestTargetIsPushed changes a function's concurrency while KEDA listens.
func TestTargetIsPushed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.provision("tuned", nil)
	specs, err := r.client.StreamMetricSpec(t.Context(), ref("tuned", "function", "tuned"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []float64{4, 16} {
		got, err := specs.Recv()
		if err != nil || len(got.MetricSpecs) != 1 || got.MetricSpecs[0].TargetSizeFloat != want {
			t.Fatalf("spec %v, %v; want %v", got, err, want)
		}
		r.provision("tuned", func(s *function.Spec) { s.Concurrency = 16 })
	}
	r.awaitMetric(ref("tuned", "function", "tuned"), 0, 16)
}

// TestFixedTarget says the goal in the ScaledObject: KEDA is told that there is no target to follow.
func TestFixedTarget(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.provision("fixed", func(s *function.Spec) { s.Scale.Target = function.Target{Drain: function.Duration(time.Minute)} })
	if _, err := r.js.CreateConsumer(t.Context(), stream.EventsStream, jetstream.ConsumerConfig{
		Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "events.jobs",
	}); err != nil {
		t.Fatal(err)
	}
	r.publish("fixed", 12)
	for _, test := range []struct {
		ask    *externalscaler.ScaledObjectRef
		metric float64
		target float64
	}{
		{ref("fixed", "function", "fixed", "backlog", "6"), 12, 6},
		{ref("jobs", "stream", "EVENTS", "consumer", "workers", "concurrency", "3"), 0, 3},
	} {
		r.awaitMetric(test.ask, test.metric, test.target)
		specs, err := r.client.StreamMetricSpec(t.Context(), test.ask)
		if err == nil {
			_, err = specs.Recv()
		}
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%v: stream of targets: %v, want Unimplemented", test.ask.ScalerMetadata, err)
		}
	}
}

// TestActivityIsPushed opens the stream before there is work.
func TestActivityIsPushed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.provision("pushed", nil)
	active, err := r.client.StreamIsActive(t.Context(), ref("pushed", "function", "pushed"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := active.Recv(); err != nil || m.Result {
		t.Fatalf("first message %v, %v; want false", m, err)
	}
	r.publish("pushed", 1)
	for range 4 { // nobody takes it: it is said again and again
		if m, err := active.Recv(); err != nil || !m.Result {
			t.Fatalf("message %v, %v; want true", m, err)
		}
	}
	r.stop()
	for {
		if _, err = active.Recv(); err != nil {
			break
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("stream ended with %v, want a clean end", err)
	}
}

// TestForeignConsumer scales by a consumer that somebody made.
func TestForeignConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	if _, err := r.js.CreateConsumer(t.Context(), stream.EventsStream, jetstream.ConsumerConfig{
		Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "events.jobs",
	}); err != nil {
		t.Fatal(err)
	}
	r.publish("jobs", 5)
	ask := ref("jobs", "stream", "EVENTS", "consumer", "workers", "concurrency", "2")
	r.awaitMetric(ask, 5, 2)
	r.awaitMetric(ref("jobs2", "stream", "EVENTS", "consumerFromEnv", "workers", "drainSeconds", "10"), 5, 1)
}

// TestUnavailableIsNeverZero stops the server.
func TestUnavailableIsNeverZero(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.provision("hello", nil)
	ask := ref("hello", "function", "hello")
	r.publish("hello", 2)
	r.awaitMetric(ask, 2, 4)
	r.srv.Stop()
	waittest.Eventually(t, func() error {
		_, err := r.client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{
			ScaledObjectRef: ask, MetricName: scalers.MetricName,
		})
		if status.Code(err) != codes.Unavailable {
			return fmt.Errorf("got %w, want Unavailable", err)
		}
		return nil
	})
	if spec, err := r.client.GetMetricSpec(t.Context(), ask); err != nil || spec.MetricSpecs[0].TargetSizeFloat != 4 {
		t.Errorf("the target needs no queue: %v, %v", spec, err)
	}
}

// TestForgets lets go of what nobody asks for.
func TestForgets(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *scalers.Config) { c.Forget = 200 * time.Millisecond })
	r.provision("hello", nil)
	r.awaitActive(ref("hello", "function", "hello"), false)
	waittest.Eventually(t, func() error {
		if c := r.scaler.Counts(); c.Sources+c.Objects > 0 {
			return fmt.Errorf("still there: %+v", c)
		}
		return nil
	})
	r.publish("hello", 1)
	r.awaitActive(ref("hello", "function", "hello"), true)
}

// TestStreamEndsOnceForTheBackOff makes KEDA forget its back-off after a start of the scaler, and when a stream comes back
// that may have broken elsewhere.
func TestStreamEndsOnceForTheBackOff(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fresh, settle time.Duration
		ends          []bool
	}{
		"just started":       {time.Hour, time.Hour, []bool{true, false, false}},
		"a new ScaledObject": {-1, time.Hour, []bool{false, false}},
		"comes back later":   {-1, time.Nanosecond, []bool{true, true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *scalers.Config) { c.FreshStart, c.Settle = test.fresh, test.settle })
			r.provision("hello", nil)
			r.publish("hello", 1)
			for i, ends := range test.ends {
				active, err := r.client.StreamIsActive(t.Context(), ref("hello", "function", "hello"))
				if err != nil {
					t.Fatal(err)
				}
				if m, err := active.Recv(); err != nil || !m.Result {
					t.Fatalf("stream %d: message %v, %v; want true", i, m, err)
				}
				if _, err = active.Recv(); ends != errors.Is(err, io.EOF) {
					t.Errorf("stream %d: then %v; want a clean end: %v", i, err, ends)
				}
			}
		})
	}
}
