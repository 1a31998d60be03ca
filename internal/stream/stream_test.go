package stream_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

func newFunction(name string, triggers ...function.Trigger) *function.Function {
	fn := &function.Function{Metadata: function.Metadata{Name: name}}
	fn.Spec.Triggers = triggers
	fn.Spec.Handler.Command = []string{"true"}
	fn.SetDefaults()
	return fn
}

func on(subjects ...string) function.Trigger {
	return function.Trigger{Event: &function.EventTrigger{Subjects: subjects}}
}

func ensured(t *testing.T) jetstream.JetStream {
	t.Helper()
	js := natstest.Start(t).JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	return js
}

// written counts the write requests that the API has taken.
func written(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	info, err := js.AccountInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.API.Errors // an attempt to change what cannot be changed shows here
}

func TestEnsureIsIdempotent(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	before, failures := streamsJSON(t, js), written(t, js)
	drifts, err := stream.Ensure(t.Context(), js, stream.Config{})
	if err != nil || len(drifts) != 0 {
		t.Fatalf("drifts %v, error %v", drifts, err)
	}
	if after := streamsJSON(t, js); after != before || written(t, js) != failures {
		t.Fatalf("streams changed:\n%s\n%s", before, after)
	}
	for _, name := range []string{"EVENTS", "PELTON_WORK", "PELTON_DEAD", "PELTON_RUNS", "PELTON_RESULTS", "PELTON_BODIES"} {
		if !strings.Contains(before, `"`+name+`"`) {
			t.Errorf("no stream %s in %s", name, before)
		}
	}
}

func streamsJSON(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	var all []jetstream.StreamConfig
	l := js.ListStreams(t.Context())
	for info := range l.Info() {
		all = append(all, info.Config)
	}
	if err := l.Err(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b jetstream.StreamConfig) int { return strings.Compare(a.Name, b.Name) })
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEnsureLeavesTheUsersStreamAndSaysWhatDiffers(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream(t)
	foreign := jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>", "more.>"}, MaxAge: time.Hour}
	if _, err := js.CreateStream(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	drifts, err := stream.Ensure(t.Context(), js, stream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(drifts); !strings.Contains(text, "1h0m0s") || !strings.Contains(text, "atomic batches") {
		t.Errorf("drifts do not name the age and the batches: %s", text)
	}
	s, err := js.Stream(t.Context(), "EVENTS")
	if err != nil || s.CachedInfo().Config.MaxAge != time.Hour {
		t.Errorf("the user's stream was changed: %v", err)
	}
}

func TestEnsureBringsOurOwnStreamsBack(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	s, err := js.Stream(t.Context(), stream.DeadStream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxAge, cfg.Discard = time.Hour, jetstream.DiscardOld
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	if s, err = js.Stream(t.Context(), stream.DeadStream); err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().Config; got.MaxAge != 30*24*time.Hour || got.Discard != jetstream.DiscardNew {
		t.Fatalf("dead letters are kept %v, discard %v", got.MaxAge, got.Discard)
	}
}

func TestEventsThatFitCanAlwaysBeStoredAgain(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	s, err := js.Stream(t.Context(), stream.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	if size := s.CachedInfo().Config.MaxMsgSize; size != 1<<20-64<<10 {
		t.Fatalf("events may have %d bytes on a server that takes 1 MiB: parking needs room for its headers", size)
	}
}

func TestEnsureFunctionMakesAndPrunesConsumers(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	ctx := t.Context()
	cs, err := stream.EnsureFunction(ctx, js, newFunction("a", on("events.z"), on("events.b", "events.c")))
	if err != nil {
		t.Fatal(err)
	}
	if len(cs) != 2 || cs[1].Stream != stream.WorkStream || !cs[1].Work() || !slices.Equal(cs[0].Triggers, []int{0, 1}) {
		t.Fatalf("consumers are %+v", cs)
	}
	c, err := js.Consumer(ctx, cs[0].Stream, cs[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	if cfg := c.CachedInfo().Config; cfg.MaxDeliver != -1 || cfg.AckWait != stream.AckWait || len(cfg.BackOff) != 0 ||
		cfg.PriorityPolicy != jetstream.PriorityPolicyPrioritized ||
		!slices.Equal(cfg.FilterSubjects, []string{"events.b", "events.c", "events.z"}) {
		t.Fatalf("consumer is %+v", cfg)
	}
	// Another function whose names share a prefix is left alone.
	other, err := stream.EnsureFunction(ctx, js, newFunction("a-b", on("events.a")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.EnsureFunction(ctx, js, newFunction("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Consumer(ctx, cs[0].Stream, cs[0].Name); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("consumer of triggers that are gone: %v", err)
	}
	if _, err := js.Consumer(ctx, other[0].Stream, other[0].Name); err != nil {
		t.Errorf("consumer of another function: %v", err)
	}
}

// pending is what waits in the consumers of a function.
func pending(t *testing.T, js jetstream.JetStream, cs []stream.Consumer) (n uint64) {
	t.Helper()
	for _, c := range cs {
		have, err := js.Consumer(t.Context(), c.Stream, c.Name)
		if err != nil {
			t.Fatal(err)
		}
		n += have.CachedInfo().NumPending
	}
	return n
}

func TestChangedTriggersKeepWhatWaits(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	ensure := func(triggers ...function.Trigger) []stream.Consumer {
		t.Helper()
		cs, err := stream.EnsureFunction(t.Context(), js, newFunction("a", triggers...))
		if err != nil {
			t.Fatal(err)
		}
		return cs
	}
	publish := func(subject string) {
		t.Helper()
		if _, err := js.Publish(t.Context(), subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	publish("events.a") // before the function: not for it
	ensure(on("events.a"))
	for range 5 {
		publish("events.a")
	}
	if n := pending(t, js, ensure(on("events.new"), on("events.a"))); n != 5 {
		t.Errorf("%d events wait after a trigger was put before another, want 5", n)
	}
	if n := pending(t, js, ensure(on("events.a"), on("events.new"))); n != 5 {
		t.Errorf("%d events wait after two triggers changed places, want 5", n)
	}
	if n := pending(t, js, ensure(on("events.a", "events.more"))); n != 5 {
		t.Errorf("%d events wait after a trigger got one more subject, want 5", n)
	}
	if n := pending(t, js, ensure(on("events.elsewhere"))); n != 0 {
		t.Errorf("%d events wait for a trigger that is new, want none", n)
	}
}

func TestLostConsumerBeginsWhereItWasLost(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	fn := newFunction("a", on("events.a"))
	cs, err := stream.EnsureFunction(t.Context(), js, fn)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := js.Publish(t.Context(), "events.a", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.GetMsg(t.Context(), ack.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteConsumer(t.Context(), cs[0].Stream, cs[0].Name); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "events.a", nil); err != nil {
		t.Fatal(err)
	}
	if cs, err = stream.EnsureFunctionSince(t.Context(), js, fn, before.Time.Add(1)); err != nil {
		t.Fatal(err)
	}
	if n := pending(t, js, cs); n != 1 {
		t.Errorf("%d events wait, want the one published while there was no consumer", n)
	}
}

func TestEnsureFunctionRefusesWhatCouldNeverWork(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	elsewhere := on("events.a")
	elsewhere.Event.Stream = "NOWHERE"
	replying := newFunction("a", on("events.a"))
	replying.Spec.Reply = &function.Reply{Subject: "nobody.stores.this"}
	for want, fn := range map[string]*function.Function{
		`stream "NOWHERE" does not exist`:       newFunction("a", elsewhere),
		`no event can match "orders.made"`:      newFunction("a", on("orders.made")),
		`no stream stores "nobody.stores.this"`: replying,
	} {
		if _, err := stream.EnsureFunction(t.Context(), js, fn); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}

func TestSchedulesFireIntoTheFunctionsQueueAndArePruned(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	ctx := t.Context()
	fn := newFunction("nightly", function.Trigger{Schedule: &function.ScheduleTrigger{
		Cron: "0 3 * * *", TimeZone: "Europe/Oslo", Data: json.RawMessage(`{"mode":"nightly"}`),
	}})
	for range 2 {
		if _, err := stream.EnsureFunction(ctx, js, fn); err != nil {
			t.Fatal(err)
		}
	}
	s, err := js.Stream(ctx, stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetLastMsgForSubject(ctx, "pelton.park.default.nightly.schedule.0")
	if err != nil {
		t.Fatal(err)
	}
	if m.Sequence != 1 || m.Header.Get("Nats-Schedule") != "0 0 3 * * *" ||
		m.Header.Get("Nats-Schedule-Time-Zone") != "Europe/Oslo" || string(m.Data) != `{"mode":"nightly"}` {
		t.Fatalf("schedule is %d %v %s", m.Sequence, m.Header, m.Data)
	}
	if err := stream.PruneSchedules(ctx, js, []function.Key{fn.Key()}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetLastMsgForSubject(ctx, m.Subject); err != nil {
		t.Fatalf("a kept function's schedule: %v", err)
	}
	if err := stream.PruneSchedules(ctx, js, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetLastMsgForSubject(ctx, m.Subject); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Fatalf("schedule of a function that is gone: %v", err)
	}
}

// TestLimitsOfOthersStand calls Ensure as a sidecar does, which knows no store, on the streams of a server that has one.
func TestLimitsOfOthersStand(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream(t)
	for _, cfg := range []stream.Config{{MaxBytes: 512 << 20}, {}} {
		if _, err := stream.Ensure(t.Context(), js, cfg); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int64{stream.EventsStream: 256 << 20, stream.DeadStream: 64 << 20, stream.RunsStream: 32 << 20, stream.BodiesStream: 64 << 20} {
			s, err := js.Stream(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.CachedInfo().Config.MaxBytes; got != want {
				t.Errorf("%s holds %d bytes after %+v, want %d", name, got, cfg, want)
			}
		}
	}
}
