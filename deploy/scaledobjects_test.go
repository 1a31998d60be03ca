package deploy

import (
	"context"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/wake"
	"github.com/pelton-dev/pelton/scalers"
)

// TestScaledObjects: nothing in them ends pods that work, and they go up and down as the page says.
func TestScaledObjects(t *testing.T) {
	t.Parallel()
	objects := of[*scaledObject](read(t), "")
	if len(objects) < 2 {
		t.Fatalf("%d ScaledObjects were found", len(objects))
	}
	for _, o := range objects {
		name, s := o.Metadata.Name, o.Spec
		if s.Fallback != nil && s.Fallback.Replicas == 0 {
			t.Errorf("%s: a fallback of 0 replicas ends all pods while the scaler cannot answer", name)
		}
		if s.MinReplicaCount == nil || *s.MinReplicaCount != 0 || s.PollingInterval == 0 || s.CooldownPeriod == 0 {
			t.Errorf("%s does not say how it goes to zero", name)
		}
		if up := s.Advanced.HPA.Behavior.ScaleUp; len(up.Policies) != 1 || up.Policies[0].Value != 900 {
			t.Errorf("%s goes up by %+v", name, up)
		}
	}
}

// TestScaledObjectsNameWhatThereIs: a Deployment, the scaler, and how KEDA shows who it is.
func TestScaledObjectsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	all := read(t)
	scaler := only[*service](t, all, "scaler/", "pelton-scaler")
	port := strconv.Itoa(scaler.Spec.Ports[0].Port)
	address := net.JoinHostPort(scaler.Metadata.Name+"."+scaler.Metadata.Namespace+".svc", port)
	for _, o := range of[*scaledObject](all, "") {
		name, w := o.Metadata.Name, only[*workload](t, all, "example/", o.Spec.ScaleTargetRef.Name)
		if w.Metadata.Namespace != o.Metadata.Namespace {
			t.Errorf("%s is in another namespace than its Deployment", name)
		}
		if w.Spec.Replicas != nil {
			t.Errorf("%s: its Deployment has replicas of its own, to which each apply would go back", name)
		}
		for _, tr := range o.Spec.Triggers {
			if tr.Metadata["scalerAddress"] != address {
				t.Errorf("%s asks %s, the scaler is at %s", name, tr.Metadata["scalerAddress"], address)
			}
			only[*authentication](t, all, "scaler/", tr.AuthenticationRef.Name)
			if tr.Type != "external-push" || tr.AuthenticationRef.Kind != "ClusterTriggerAuthentication" {
				t.Errorf("%s has the trigger %+v", name, tr)
			}
		}
	}
}

// TestScalerAnswersForThem: a scaler that knows the example's function and consumer is asked what KEDA would ask.
func TestScalerAnswersForThem(t *testing.T) {
	t.Parallel()
	all := read(t)
	s := startScaler(t, exampleFunction(t, all))
	for _, o := range of[*scaledObject](all, "") {
		ref := &externalscaler.ScaledObjectRef{
			Namespace: o.Metadata.Namespace, Name: o.Metadata.Name, ScalerMetadata: o.Spec.Triggers[0].Metadata,
		}
		want := float64(4) // concurrency of the consumer
		if o.Metadata.Name == "hello" {
			want = 16
		}
		waittest.Eventually(t, func() error {
			_, err := s.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{
				ScaledObjectRef: ref, MetricName: scalers.MetricName,
			})
			if code := status.Code(err); err != nil && code != codes.Unavailable && code != codes.NotFound {
				t.Fatalf("%s: %v", o.Metadata.Name, err)
			}
			return err
		})
		spec, err := s.GetMetricSpec(t.Context(), ref)
		if err != nil || spec.GetMetricSpecs()[0].GetTargetSizeFloat() != want {
			t.Errorf("%s: %v, %v: want %v events per replica", o.Metadata.Name, spec, err, want)
		}
	}
}

// startScaler runs a scaler on a server with a function, and with the stream and consumer of own-consumer.yaml.
func startScaler(t *testing.T, fn *function.Function) *scalers.Scaler {
	t.Helper()
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	must(t, second(stream.Ensure(t.Context(), js, stream.Config{})))
	must(t, second(stream.EnsureFunction(t.Context(), js, fn)))
	must(t, catalog.Ensure(t.Context(), js, 1))
	must(t, catalog.Put(t.Context(), js, fn))
	must(t, second(js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})))
	must(t, second(js.CreateConsumer(t.Context(), "ORDERS", jetstream.ConsumerConfig{Durable: "worker"})))

	nc := srv.Conn(t)
	watcher, err := wake.New(nc, wake.Config{AllWork: true, DepthInterval: 20 * time.Millisecond})
	must(t, err)
	cat, err := catalog.New(nc, catalog.Config{})
	must(t, err)
	s, err := scalers.New(scalers.Config{Watcher: watcher, Catalog: cat})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	runs := []func(context.Context) error{watcher.Run, cat.Run, s.Run}
	done := make(chan error, len(runs))
	for run := range slices.Values(runs) {
		go func() { done <- run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range runs {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }
