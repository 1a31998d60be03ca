package scalers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kedatest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestKEDAWakesAFunctionOnPublish has no poll that could help: KEDA hears of the event by the stream alone.
func TestKEDAWakesAFunctionOnPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.FreshStart = -1 // else the event may come between two streams
	fn := w.function(t, "hello", 1)
	op := startKEDA(t, kedatest.Config{Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}})
	key := op.scale(t, fn, kedatest.Object{PollingInterval: never})
	op.awaitIdle(t, key)
	began := time.Now()
	w.publish(t, "hello", 1)
	op.awaitReplicas(t, key, 1)
	t.Logf("publish to one replica: %v", op.lastReplicas(t, key, 1).Time.Sub(began))
}

// TestKEDAScalesAConsumerOfItsOwn needs no Function: a stream, a consumer and a ScaledObject that a user wrote.
func TestKEDAScalesAConsumerOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs.>"}}); err != nil {
		t.Fatal(err)
	}
	consumer, err := w.js.CreateConsumer(t.Context(), "JOBS", jetstream.ConsumerConfig{
		Durable: "mailer", AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	op := startKEDA(t, kedatest.Config{Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}})
	key := op.add(t, kedatest.Object{
		Name: "mailer", PollingInterval: 5 * keda, Cooldown: 10 * keda, ScaleDownStabilization: none,
		Metadata: map[string]string{"stream": "JOBS", "consumer": "mailer", "concurrency": "2"},
	})
	op.awaitIdle(t, key)
	for range 6 {
		if _, err := w.js.Publish(t.Context(), "jobs.mail", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	op.awaitReplicas(t, key, 3)
	batch, err := consumer.Fetch(6)
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		ack(t, m)
	}
	op.awaitReplicas(t, key, 0)
}

// TestKEDAStaysAtZeroWhileRetriesAreParked parks an event the way the sidecar does.
func TestKEDAStaysAtZeroWhileRetriesAreParked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fn := w.function(t, "flaky", 1)
	op := startKEDA(t, kedatest.Config{Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}})
	key := op.scale(t, fn, kedatest.Object{PollingInterval: 5 * keda, Cooldown: 10 * keda})
	op.awaitIdle(t, key)
	due := time.Now().Add(3 * time.Second)
	w.park(t, fn, due)
	polls := op.awaitPolls(t, key, 5)
	if now := time.Now(); now.Before(due) && (polls.Replicas != 0 || polls.Value != 0) {
		t.Errorf("%v before the retry is due: %d replicas, metric %v", due.Sub(now), polls.Replicas, polls.Value)
	}
	op.awaitReplicas(t, key, 1)
	woken := op.lastReplicas(t, key, 1).Time
	if woken.Before(due) {
		t.Errorf("woken %v too early", due.Sub(woken))
	}
	t.Logf("woken %v after the retry fell due", woken.Sub(due))
	ack(t, w.take(t, fn, true, 1)...)
	op.awaitReplicas(t, key, 0)
}

func (w *world) park(t *testing.T, fn *function.Function, due time.Time) {
	t.Helper()
	ns, name := fn.Metadata.Namespace, fn.Metadata.Name
	subject, err := event.ParkSubject(ns, name, stream.EventsStream, 1)
	if err != nil {
		t.Fatal(err)
	}
	retry, err := event.WorkSubject(ns, name, "retry")
	if err != nil {
		t.Fatal(err)
	}
	m := nats.NewMsg(subject)
	m.Header.Set("Nats-Schedule", "@at "+due.UTC().Format(time.RFC3339Nano))
	m.Header.Set("Nats-Schedule-Target", retry)
	if _, err := w.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// TestKEDAHasAReplicaForEveryFewEvents counts what is due and in flight, and nothing twice.
func TestKEDAHasAReplicaForEveryFewEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fn := w.function(t, "thumbs", 2)
	op := startKEDA(t, kedatest.Config{Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}})
	key := op.scale(t, fn, kedatest.Object{PollingInterval: 5 * keda, Cooldown: 10 * keda, ScaleDownStabilization: none})
	op.awaitIdle(t, key)
	w.publish(t, "thumbs", 10)
	op.awaitReplicas(t, key, 5)
	taken := w.take(t, fn, false, 4)
	op.awaitPolls(t, key, 3)
	if s := op.awaitPolls(t, key, 10); s.Value != 10 || s.Replicas != 5 || s.Spec.Target != 2 {
		t.Errorf("6 due and 4 in flight: metric %v, %d replicas, target %v", s.Value, s.Replicas, s.Spec.Target)
	}
	ack(t, taken...)
	s := op.await(t, key, "3 replicas for 6 events", func(s kedatest.Status) bool { return s.Replicas == 3 })
	if s.Value != 6 {
		t.Errorf("metric %v, want 6", s.Value)
	}
	ack(t, w.take(t, fn, false, 6)...)
	op.awaitReplicas(t, key, 0)
}

// TestKEDAKeepsAReplicaWhileWorkIsInFlight holds one event for many cooldowns with nothing due.
func TestKEDAKeepsAReplicaWhileWorkIsInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fn := w.function(t, "slow", 1)
	op := startKEDA(t, kedatest.Config{Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}})
	key := op.scale(t, fn, kedatest.Object{PollingInterval: 5 * keda, Cooldown: 10 * keda, ScaleDownStabilization: none})
	op.awaitIdle(t, key)
	w.publish(t, "slow", 1)
	taken := w.take(t, fn, false, 1)
	op.awaitReplicas(t, key, 1)
	if s := op.awaitPolls(t, key, 20); s.Value != 1 || s.Replicas != 1 { // 100 s, ten cooldowns
		t.Errorf("one event in flight: metric %v, %d replicas", s.Value, s.Replicas)
	}
	settled := time.Now()
	ack(t, taken...)
	op.awaitReplicas(t, key, 0)
	for _, e := range op.Timeline() {
		if e.Kind == kedatest.KindReplicas && e.To == 0 && e.Time.Before(settled) {
			t.Errorf("at zero with work in flight: %v", e)
		}
	}
}

// TestKEDAHearsATrueThatItDropped has work at once, while KEDA does not see the metric names that it has written.
func TestKEDAHearsATrueThatItDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fn := w.function(t, "hello", 1)
	op := startKEDA(t, kedatest.Config{
		Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}, StatusLag: 10 * time.Second * speed,
	})
	w.publish(t, "hello", 1)
	key := op.scale(t, fn, kedatest.Object{PollingInterval: never})
	s := op.await(t, key, "a replica", func(s kedatest.Status) bool { return s.Replicas == 1 })
	if s.TruesDropped == 0 {
		t.Errorf("no true was dropped: %+v", s.Counters)
	}
}

// TestKEDARetargetsWhenAFunctionChanges changes the concurrency, and touches no ScaledObject.
func TestKEDARetargetsWhenAFunctionChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fn := w.function(t, "resize", 2)
	op := startKEDA(t, kedatest.Config{Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}})
	key := op.scale(t, fn, kedatest.Object{PollingInterval: 5 * keda, ScaleDownStabilization: none})
	op.awaitIdle(t, key)
	w.publish(t, "resize", 12)
	op.awaitReplicas(t, key, 6)
	fn.Spec.Concurrency = 4
	w.enter(t, fn)
	op.await(t, key, "a target of 4", func(s kedatest.Status) bool { return s.Spec.Target == 4 })
	op.awaitReplicas(t, key, 3)
}

// TestKEDAHoldsReplicasWhileNATSIsGone: nobody knows what waits, and that is not zero.
func TestKEDAHoldsReplicasWhileNATSIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	busy, idle := w.function(t, "busy", 1), w.function(t, "idle", 1)
	op := startKEDA(t, kedatest.Config{Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}})
	obj := kedatest.Object{PollingInterval: 5 * keda, Cooldown: 10 * keda, ScaleDownStabilization: none}
	b, i := op.scale(t, busy, obj), op.scale(t, idle, obj)
	op.awaitIdle(t, b)
	op.awaitIdle(t, i)
	w.publish(t, "busy", 3)
	op.awaitReplicas(t, b, 3)
	w.nats.Stop()
	for _, key := range []kedatest.Key{b, i} {
		before := op.Status(key).PollErrors
		s := op.await(t, key, "errors", func(s kedatest.Status) bool { return s.PollErrors >= before+6 })
		if status.Code(s.Err) != codes.Unavailable {
			t.Errorf("%v: %v, want Unavailable", key, s.Err)
		}
	}
	if n, m := op.Status(b).Replicas, op.Status(i).Replicas; n != 3 || m != 0 {
		t.Errorf("NATS is gone: %d and %d replicas, want 3 and 0", n, m)
	}
	t.Logf("back-off when NATS comes back: %v after %d unclean ends", op.Status(i).Backoff, op.Status(i).UncleanEnds)
	w.nats.Restart(t)
	if s := op.awaitPolls(t, b, 1); s.Value != 3 || s.Replicas != 3 {
		t.Errorf("NATS is back: metric %v, %d replicas, want 3", s.Value, s.Replicas)
	}
	waittest.Eventually(t, func() error {
		_, err := w.js.Publish(t.Context(), "events.idle", []byte("x"))
		return err
	})
	op.awaitReplicas(t, i, 1)
}

// TestKEDATellsAUserWhatIsWrong has a sentence for every mistake, in the status of the ScaledObject.
func TestKEDATellsAUserWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.FirstReading = 2 * time.Second // a busy machine may read late: then it is not known that a stream is missing
	w.function(t, "hello", 1)
	op := startKEDA(t, kedatest.Config{
		Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}, CreateRetryMax: 5 * keda,
	})
	for name, c := range map[string]struct {
		metadata map[string]string
		code     codes.Code
		words    []string
	}{
		"nothing":    {nil, codes.InvalidArgument, []string{"write function: NAME"}},
		"typo":       {map[string]string{"funktion": "hello"}, codes.InvalidArgument, []string{`"funktion"`, "did you mean function"}},
		"both":       {map[string]string{"function": "hello", "stream": "A"}, codes.InvalidArgument, []string{"either function, or"}},
		"half":       {map[string]string{"stream": "A", "concurrency": "1"}, codes.InvalidArgument, []string{"consumer is missing"}},
		"number":     {consumer("A", "b", "many"), codes.InvalidArgument, []string{`concurrency: "many" is not a number`}},
		"unknown":    {map[string]string{"function": "hallo"}, codes.NotFound, []string{"hallo", namespace}},
		"foreign":    {map[string]string{"function": "bank/hello"}, codes.PermissionDenied, []string{"bank", namespace}},
		"namespace":  {map[string]string{"function": "hello", "namespace": "bank"}, codes.PermissionDenied, []string{"remove the key"}},
		"no-stream":  {consumer("NOWHERE", "b", "1"), codes.NotFound, []string{"NOWHERE"}},
		"not-theirs": {consumer("EVENTS", "bank_pay_work", "1"), codes.PermissionDenied, []string{"bank"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := op.add(t, kedatest.Object{Name: name, Metadata: c.metadata})
			s := op.await(t, key, c.code.String(), func(s kedatest.Status) bool {
				return s.Created && s.Err != nil && status.Code(s.Err) != codes.Unavailable
			})
			if status.Code(s.Err) != c.code || s.Replicas != 0 {
				t.Fatalf("error: %v, want %v; %d replicas", s.Err, c.code, s.Replicas)
			}
			for _, words := range c.words {
				if !strings.Contains(s.Err.Error(), words) {
					t.Errorf("%v: it does not say %q", s.Err, words)
				}
			}
		})
	}
}

func consumer(stream, name, concurrency string) map[string]string {
	return map[string]string{"stream": stream, "consumer": name, "concurrency": concurrency}
}

// TestKEDAWakesAFunctionThatComesLater begins with a ScaledObject that is too early: it is told so, and listens all the same.
func TestKEDAWakesAFunctionThatComesLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	op := startKEDA(t, kedatest.Config{
		Addresses: []string{w.startScaler(t, "127.0.0.1:0").addr}, CreateRetryMax: 5 * keda,
	})
	key := op.add(t, kedatest.Object{
		Name: "late", Metadata: map[string]string{"function": "late"}, PollingInterval: 10 * keda,
	})
	op.await(t, key, "NotFound", func(s kedatest.Status) bool { return status.Code(s.Err) == codes.NotFound })
	w.function(t, "late", 1)
	op.awaitIdle(t, key)
	w.publish(t, "late", 1)
	op.awaitReplicas(t, key, 1)
}

// TestKEDAWithTwoScalers asks both, and gets on with one.
func TestKEDAWithTwoScalers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.startScaler(t, "127.0.0.1:0"), w.startScaler(t, "127.0.0.1:0")
	op := startKEDA(t, kedatest.Config{Addresses: []string{one.addr, two.addr}})
	var keys []kedatest.Key
	for i := range 4 {
		fn := w.function(t, fmt.Sprintf("f%d", i), 1)
		keys = append(keys, op.scale(t, fn, kedatest.Object{PollingInterval: 5 * keda, Cooldown: 10 * keda}))
	}
	for _, key := range keys {
		op.awaitIdle(t, key)
	}
	waittest.Eventually(t, func() error {
		for _, r := range []*replica{one, two} {
			if c := r.scaler.Counts(); c.Objects != len(keys) || c.Streams == 0 {
				return fmt.Errorf("not all calls are spread: %+v", c)
			}
		}
		return nil
	})
	for i := range 2 {
		w.publish(t, fmt.Sprintf("f%d", i), 1)
		op.awaitReplicas(t, keys[i], 1)
	}
	one.kill()
	for i := 2; i < 4; i++ {
		w.publish(t, fmt.Sprintf("f%d", i), 1)
		op.awaitReplicas(t, keys[i], 1)
	}
	zeros := slices.DeleteFunc(op.Timeline(), func(e kedatest.Event) bool {
		return e.Kind != kedatest.KindReplicas || e.To != 0
	})
	if len(zeros) != 0 {
		t.Errorf("at zero with work waiting: %v", zeros)
	}
}
