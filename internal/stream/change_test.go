package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// user is somebody who changes a function and publishes, and the function's workers.
type user struct {
	t  testing.TB
	js jetstream.JetStream
	fn *function.Function
}

func (u *user) ensure(triggers ...function.Trigger) []stream.Consumer {
	u.t.Helper()
	name := "a"
	if u.fn != nil {
		name = u.fn.Metadata.Name
	}
	u.fn = newFunction(name, triggers...)
	cs, err := stream.EnsureFunction(u.t.Context(), u.js, u.fn)
	if err != nil {
		u.t.Fatal(err)
	}
	return cs
}

func (u *user) publish(subject string) uint64 {
	u.t.Helper()
	ack, err := u.js.Publish(u.t.Context(), subject, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	return ack.Sequence
}

// fetch takes up to n messages from the events of a stream, or what comes at once.
func (u *user) fetch(name string, n int) []jetstream.Msg {
	u.t.Helper()
	c, err := u.js.Consumer(u.t.Context(), name, stream.EventConsumer(u.fn.Key()))
	if err != nil {
		u.t.Fatal(err)
	}
	batch, err := c.Fetch(n, jetstream.FetchMaxWait(10*time.Millisecond), jetstream.FetchPriorityGroup(stream.PriorityGroup))
	if err != nil {
		u.t.Fatal(err)
	}
	var ms []jetstream.Msg
	for m := range batch.Messages() {
		ms = append(ms, m)
	}
	return ms
}

// settle acknowledges a message, and reports whether the function would have been called for it.
func (u *user) settle(m jetstream.Msg) bool {
	u.t.Helper()
	interest, err := stream.ReadInterest(u.t.Context(), u.js, u.fn.Key())
	if err != nil {
		u.t.Fatal(err)
	}
	meta, err := m.Metadata()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := m.DoubleAck(u.t.Context()); err != nil {
		u.t.Fatal(err)
	}
	return interest.Wants(meta.Stream, m.Subject(), meta.Sequence.Stream, meta.Timestamp)
}

// drain settles everything that comes, and returns the sequences for which the function would have been called.
func (u *user) drain(name string) (given []uint64) {
	u.t.Helper()
	waittest.Eventually(u.t, func() error {
		for _, m := range u.fetch(name, 1000) {
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			if u.settle(m) {
				given = append(given, meta.Sequence.Stream)
			}
		}
		c, err := u.js.Consumer(u.t.Context(), name, stream.EventConsumer(u.fn.Key()))
		if err != nil {
			return err
		}
		if i := c.CachedInfo(); i.NumPending+uint64(i.NumAckPending) > 0 {
			return fmt.Errorf("%d wait, %d are in flight", i.NumPending, i.NumAckPending)
		}
		return nil
	})
	slices.Sort(given)
	return given
}

func (u *user) checkGiven(want ...uint64) {
	u.t.Helper()
	if got := u.drain("EVENTS"); !slices.Equal(got, want) {
		u.t.Errorf("the function is given %v, want %v", got, want)
	}
}

// TestAChangeGivesNothingAgain adds a subject while the first of many events is in work and the others are done.
func TestAChangeGivesNothingAgain(t *testing.T) {
	t.Parallel()
	u := &user{t: t, js: ensured(t)}
	u.ensure(on("events.a"))
	for range 20 {
		u.publish("events.a")
	}
	var ms []jetstream.Msg
	waittest.Eventually(t, func() error {
		if ms = append(ms, u.fetch("EVENTS", 20-len(ms))...); len(ms) < 20 {
			return fmt.Errorf("%d events are delivered", len(ms))
		}
		return nil
	})
	for _, m := range ms[1:] {
		u.settle(m)
	}
	u.ensure(on("events.a", "events.b"))
	u.publish("events.b") // 21
	if err := ms[0].Nak(); err != nil {
		t.Fatal(err)
	}
	u.checkGiven(1, 21)
}

// TestAddedSubjectBeginsNow publishes on a subject before a trigger asks for it, while nothing else comes, and stops the server
// afterwards: it forgets then what it had passed over.
func TestAddedSubjectBeginsNow(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	u := &user{t: t, js: srv.JetStream(t)}
	if _, err := stream.Ensure(t.Context(), u.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	u.ensure(on("events.a.x"))
	u.publish("events.a.x") // 1
	u.checkGiven(1)
	u.publish("events.b")   // 2, for nobody
	u.publish("events.a.y") // 3, the same
	cs := u.ensure(on("events.a.*", "events.b"))
	if n := pending(t, u.js, cs); n != 0 {
		t.Errorf("%d events wait that were published before they were asked for", n)
	}
	srv.Restart(t)
	waittest.Eventually(t, func() error { _, err := u.js.AccountInfo(t.Context()); return err })
	u.publish("events.b")   // 4
	u.publish("events.a.y") // 5
	u.checkGiven(4, 5)
}

// TestWiderSubjectKeepsWhatWaits has events wait when a subject becomes wider.
func TestWiderSubjectKeepsWhatWaits(t *testing.T) {
	t.Parallel()
	u := &user{t: t, js: ensured(t)}
	u.ensure(on("events.a.x"))
	u.publish("events.a.x") // 1
	u.publish("events.a.y") // 2, for nobody
	u.ensure(on("events.>"))
	u.publish("events.a.y") // 3
	u.ensure(on("events.a.*"))
	u.publish("events.b") // 4, for nobody
	u.ensure(on("events.a.*", "events.b"))
	u.checkGiven(1, 3)
}

// TestStreamOfATriggerChanges leaves nothing on the stream that a trigger named before.
func TestStreamOfATriggerChanges(t *testing.T) {
	t.Parallel()
	u := &user{t: t, js: ensured(t)}
	s, err := u.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
	if err != nil {
		t.Fatal(err)
	}
	orders := on("orders.a")
	orders.Event.Stream = "ORDERS"
	u.ensure(orders)
	u.publish("orders.a")
	u.ensure(on("events.a"))
	for name := range s.ConsumerNames(t.Context()).Name() {
		t.Errorf("consumer %s is still there", name)
	}
	u.publish("orders.a") // 2, for nobody
	u.ensure(on("events.a"), orders)
	u.publish("orders.a") // 3
	if got := u.drain("ORDERS"); !slices.Equal(got, []uint64{3}) {
		t.Errorf("of the stream that was left and named again the function is given %v, want 3", got)
	}
}

// TestFormerConsumersAreTakenOver has consumers as they were named before.
func TestFormerConsumersAreTakenOver(t *testing.T) {
	t.Parallel()
	u := &user{t: t, js: ensured(t)}
	u.publish("events.a") // 1, before the function
	for name, subject := range map[string]string{"default_a_event-01234567": "events.a", "default_a_event-89abcdef": "events.b"} {
		if _, err := u.js.CreateConsumer(t.Context(), "EVENTS", jetstream.ConsumerConfig{
			Durable: name, FilterSubjects: []string{subject}, AckPolicy: jetstream.AckExplicitPolicy,
			DeliverPolicy: jetstream.DeliverNewPolicy, PriorityPolicy: jetstream.PriorityPolicyPrioritized,
			PriorityGroups: []string{stream.PriorityGroup},
		}); err != nil {
			t.Fatal(err)
		}
	}
	u.publish("events.c")                                    // 2, for nobody
	u.publish("events.a")                                    // 3
	u.publish("events.b")                                    // 4
	u.ensure(on("events.a"), on("events.b"), on("events.c")) // c is new
	if o := owned(t, u.js, u.fn); len(o.Consumers) != 2 {    // events and work
		t.Errorf("there are %d consumers", len(o.Consumers))
	}
	u.checkGiven(3, 4)
}

// broken is a JetStream that fails after some writes.
type broken struct {
	jetstream.JetStream
	left *int
}

var errBroken = errors.New("broken")

func (b broken) CreateOrUpdateConsumer(ctx context.Context, name string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	if *b.left--; *b.left < 0 {
		return nil, errBroken
	}
	return b.JetStream.CreateOrUpdateConsumer(ctx, name, cfg)
}

func (b broken) DeleteConsumer(ctx context.Context, name, consumer string) error {
	if *b.left--; *b.left < 0 {
		return errBroken
	}
	return b.JetStream.DeleteConsumer(ctx, name, consumer)
}

// TestAChangeThatIsCutOff is taken up again, wherever it was cut.
func TestAChangeThatIsCutOff(t *testing.T) {
	t.Parallel()
	orders := on("orders.a")
	orders.Event.Stream = "ORDERS"
	for writes := range 5 {
		t.Run(fmt.Sprint(writes), func(t *testing.T) {
			t.Parallel()
			u := &user{t: t, js: ensured(t)}
			cfg := jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}
			if _, err := u.js.CreateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			u.ensure(on("events.a"), orders)
			u.publish("events.a") // 1
			u.publish("events.b") // 2, for nobody
			next := newFunction("a", on("events.a", "events.b"))
			_, err := stream.EnsureFunction(t.Context(), broken{u.js, &writes}, next)
			if cut := errors.Is(err, errBroken); cut != (writes < 0) {
				t.Fatalf("cut off after %d writes: %v", writes, err)
			}
			u.ensure(next.Spec.Triggers...)
			interest, err := stream.ReadInterest(t.Context(), u.js, u.fn.Key())
			if err != nil || interest.Changing {
				t.Fatalf("what the function asks for: %+v, %v", interest, err)
			}
			if o := owned(t, u.js, u.fn); len(o.Consumers) != 2 {
				t.Errorf("there are %d consumers", len(o.Consumers))
			}
			u.publish("events.b") // 3
			u.checkGiven(1, 3)
		})
	}
}
