package replay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/replay"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// rig is a server with our streams and one of the user's own.
type rig struct {
	t  *testing.T
	js jetstream.JetStream
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t, natstest.Start(t).JetStream(t)}
	if _, err := stream.Ensure(t.Context(), r.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	r.createStream("AUDIT", jetstream.LimitsPolicy, "audit.>")
	return r
}

func (r *rig) createStream(name string, retention jetstream.RetentionPolicy, subject string) {
	r.t.Helper()
	cfg := jetstream.StreamConfig{Name: name, Subjects: []string{subject}, Retention: retention}
	if _, err := r.js.CreateStream(r.t.Context(), cfg); err != nil {
		r.t.Fatal(err)
	}
}

// function makes a function with event triggers, and its consumers.
func (r *rig) function(triggers ...function.EventTrigger) *function.Function {
	r.t.Helper()
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind, Metadata: function.Metadata{Name: "hello"}}
	for _, t := range triggers {
		fn.Spec.Triggers = append(fn.Spec.Triggers, function.Trigger{Event: &t})
	}
	fn.Spec.Handler.Command = []string{"true"}
	fn.SetDefaults()
	if _, err := stream.EnsureFunction(r.t.Context(), r.js, fn); err != nil {
		r.t.Fatal(err)
	}
	return fn
}

func (r *rig) publish(subject, data string, header ...string) uint64 {
	r.t.Helper()
	m := &nats.Msg{Subject: subject, Data: []byte(data), Header: nats.Header{}}
	for i := 0; i < len(header); i += 2 {
		m.Header[header[i]] = []string{header[i+1]}
	}
	ack, err := r.js.PublishMsg(r.t.Context(), m)
	if err != nil {
		r.t.Fatal(err)
	}
	return ack.Sequence
}

// read returns what is selected, as STREAM-SEQUENCE.
func (r *rig) read(fn *function.Function, want replay.Selection) (found []string, n replay.Counts) {
	r.t.Helper()
	p, err := replay.Open(r.t.Context(), r.js, fn, want)
	if err != nil {
		r.t.Fatal(err)
	}
	n, err = p.Each(r.t.Context(), func(f replay.Found) error {
		found = append(found, f.String())
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return found, n
}

func compile(t *testing.T, expr string) *filter.Filter {
	t.Helper()
	f, err := filter.Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSelections reads two streams with gaps through triggers that overlap.
func TestSelections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	fn := r.function(
		function.EventTrigger{Subjects: []string{"events.a.>", "events.*.x"}, Filter: "data.n < 100"},
		function.EventTrigger{Subjects: []string{"events.b.y"}},
		function.EventTrigger{Stream: "AUDIT", Subjects: []string{"audit.in"}},
	)
	for i, subject := range []string{
		"events.a.x", "events.b.y", "events.c.z", "events.a.y", "events.c.x", "events.b.y", "events.a.z",
	} {
		r.publish(subject, fmt.Sprintf(`{"n":%d}`, i+1))
	}
	r.publish("events.a.x", `{"n":1000}`)           // 8: the trigger's filter does not take it
	r.publish("events.a.x", "no json")              // 9: the filter has no answer
	r.publish("events.b.y", "x", "ce-id", "broken") // 10
	r.publish("audit.in", `{"n":2}`)
	r.publish("audit.out", `{"n":3}`)
	events, err := r.js.Stream(t.Context(), "EVENTS")
	if err == nil {
		err = events.DeleteMsg(t.Context(), 4)
	}
	if err != nil {
		t.Fatal(err)
	}
	sixth, err := events.GetMsg(t.Context(), 6)
	if err != nil {
		t.Fatal(err)
	}
	consumers := r.consumers("EVENTS")
	for name, test := range map[string]struct {
		want  replay.Selection
		found string
	}{
		"all":             {replay.Selection{}, "AUDIT-1 EVENTS-1 EVENTS-2 EVENTS-5 EVENTS-6 EVENTS-7"},
		"one stream":      {replay.Selection{Stream: "AUDIT"}, "AUDIT-1"},
		"since":           {replay.Selection{Stream: "EVENTS", Since: sixth.Time}, "EVENTS-6 EVENTS-7"},
		"until":           {replay.Selection{Stream: "EVENTS", Until: sixth.Time}, "EVENTS-1 EVENTS-2 EVENTS-5"},
		"since the end":   {replay.Selection{Since: time.Now().Add(time.Hour)}, ""},
		"until the start": {replay.Selection{Until: time.Unix(1, 0)}, ""},
		"filter":          {replay.Selection{Filter: compile(t, "data.n % 2 == 0")}, "AUDIT-1 EVENTS-2 EVENTS-6"},
		"after":           {replay.Selection{After: replay.Position{Stream: "EVENTS", Sequence: 5}}, "EVENTS-6 EVENTS-7"},
		"after the first": {
			replay.Selection{After: replay.Position{Stream: "AUDIT", Sequence: 1}}, "EVENTS-1 EVENTS-2 EVENTS-5 EVENTS-6 EVENTS-7",
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, _ := (&rig{t, r.js}).read(fn, test.want)
			if got := strings.Join(found, " "); got != test.found {
				t.Errorf("found %q, want %q", got, test.found)
			}
		})
	}
	_, n := r.read(fn, replay.Selection{})
	if diff := cmp.Diff(replay.Counts{Read: 9, Matched: 6, Unanswered: 1, Broken: 1}, n); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := r.consumers("EVENTS"); n != consumers {
		t.Errorf("%d consumers on EVENTS, and %d before", n, consumers)
	}
}

func (r *rig) consumers(name string) int {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), name)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.CachedInfo().State.Consumers
}

// TestGivenEventsAreWhatTheyWere compares what is in the function's queue with what was stored, and gives it twice.
func TestGivenEventsAreWhatTheyWere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	fn := r.function(function.EventTrigger{Subjects: []string{"events.>"}})
	r.publish("events.raw", "bytes\x00", "Content-Type", "text/plain", "X-Own", "1", "Nats-Msg-Id", "mine")
	r.publish("events.binary", "{}", "ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t", "Pelton-Attempt", "4",
		event.HeaderRequest, "GET /", event.HeaderField, "A: b", event.HeaderResult, "{}", event.HeaderBody, "A 1 1 2")
	p, err := replay.Open(t.Context(), r.js, fn, replay.Selection{})
	if err == nil {
		err = p.Ready(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	var want []*event.Event
	for _, round := range []struct {
		id        string
		duplicate bool
	}{{"first", false}, {"first", true}, {"second", false}} {
		want = nil
		_, err := p.Each(t.Context(), func(f replay.Found) error {
			want = append(want, f.Event)
			duplicate, err := p.Give(t.Context(), round.id, f)
			if duplicate != round.duplicate {
				t.Errorf("%s in %s: duplicate %v", f, round.id, duplicate)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	work, err := r.js.Stream(t.Context(), stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	if n := work.CachedInfo().State.Msgs; n != 4 {
		t.Fatalf("%d messages in the queue, want 4", n)
	}
	for i, e := range want {
		m, err := work.GetMsg(t.Context(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		got, err := event.Decode(&event.Message{
			Subject: m.Subject, Header: m.Header, Data: m.Data, Stream: stream.WorkStream, Sequence: m.Sequence, Time: m.Time,
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Errorf("(-stored +given)\n%s", diff)
		}
		if m.Subject != "pelton.work.default.hello.replay" || m.Header.Get("Pelton-Attempt") != "" {
			t.Errorf("given on %s with %v", m.Subject, m.Header)
		}
		for name := range m.Header {
			if strings.HasPrefix(name, "Http-") {
				t.Errorf("given with %s, as if it had been a request", name)
			}
		}
	}
}

// TestWhatCannotBeReplayed has every error of a selection.
func TestWhatCannotBeReplayed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.createStream("JOBS", jetstream.WorkQueuePolicy, "jobs.>")
	events := function.EventTrigger{Subjects: []string{"events.>"}}
	jobs := function.EventTrigger{Stream: "JOBS", Subjects: []string{"jobs.>"}}
	gone := function.EventTrigger{Stream: "GONE", Subjects: []string{"gone.>"}}
	for name, test := range map[string]struct {
		triggers []function.EventTrigger
		want     replay.Selection
		err      error
		text     string
	}{
		"no triggers":    {nil, replay.Selection{}, replay.ErrNoEvents, "function hello"},
		"another stream": {[]function.EventTrigger{events}, replay.Selection{Stream: "JOBS"}, replay.ErrNoStream, `"JOBS" of EVENTS`},
		"a work queue":   {[]function.EventTrigger{events, jobs}, replay.Selection{}, replay.ErrNotKept, "stream JOBS, whose retention is workqueue"},
		"no such stream": {[]function.EventTrigger{gone}, replay.Selection{}, jetstream.ErrStreamNotFound, "stream GONE"},
	} {
		fn := &function.Function{Metadata: function.Metadata{Name: "hello"}}
		for _, t := range test.triggers {
			fn.Spec.Triggers = append(fn.Spec.Triggers, function.Trigger{Event: &t})
		}
		fn.SetDefaults()
		_, err := replay.Open(t.Context(), r.js, fn, test.want)
		if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, want %v and %q", name, err, test.err, test.text)
		}
	}
	fn := &function.Function{Metadata: function.Metadata{Name: "unprovisioned"}}
	fn.Spec.Triggers = []function.Trigger{{Event: &events}}
	fn.SetDefaults()
	p, err := replay.Open(t.Context(), r.js, fn, replay.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context()); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("a function without a queue: %v", err)
	}
}
