package natsauth_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/natsauth"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// neighbours are two functions in one account, and the connection of the first.
func neighbours(t *testing.T) (*rig, *intruder, jetstream.JetStream) {
	t.Helper()
	r := start(t, "a")
	own := newFunction("a", nil)
	r.provision("a", own, newFunction("b", nil))
	i := r.intruder(r.file(r.issuer("a", 0), own), natsauth.InboxOf(own.Key()))
	js, err := jetstream.New(i.Conn)
	if err != nil {
		t.Fatal(err)
	}
	return r, i, js
}

// count returns how many messages each subject of a stream has.
func (r *rig) count(name string) map[string]uint64 {
	r.t.Helper()
	s, err := r.admins["a"].Stream(r.t.Context(), name)
	if err != nil {
		r.t.Fatal(err)
	}
	info, err := s.Info(r.t.Context(), jetstream.WithSubjectFilter(">"))
	if err != nil {
		r.t.Fatal(err)
	}
	return info.State.Subjects
}

// TestAnswersElsewhere pulls an own event and has it sent elsewhere, as the server does not ask whether one may publish there.
// It goes under its own subject even so: it is no event, call or dead letter of another, and no command.
func TestAnswersElsewhere(t *testing.T) {
	t.Parallel()
	r, i, _ := neighbours(t)
	pull := "$JS.API.CONSUMER.MSG.NEXT.EVENTS." + stream.ConsumersOf(newFunction("a", nil))[0].Name
	for n, to := range []string{
		"pelton.dead.default.b", "pelton.work.default.b.retry", "pelton.run.default.b", "$JS.API.STREAM.DELETE.PELTON_RUNS",
		"$JS.API.STREAM.PURGE.EVENTS", "events.b",
	} {
		publish(t, r.admins["a"], "events.a", to)
		if err := i.PublishRequest(pull, to, []byte(`{"batch":1,"group":"pull"}`)); err != nil {
			t.Fatal(err)
		}
		waittest.Eventually(t, func() error {
			c, err := r.admins["a"].Consumer(t.Context(), "EVENTS", stream.ConsumersOf(newFunction("a", nil))[0].Name)
			if err == nil && c.CachedInfo().Delivered.Consumer != uint64(n+1) {
				err = fmt.Errorf("%d of %d delivered", c.CachedInfo().Delivered.Consumer, n+1)
			}
			return err
		})
	}
	waittest.Eventually(t, func() error { // the last has come, so all have
		if n := r.count("EVENTS")["events.a"]; n != 7 {
			return fmt.Errorf("%d events on events.a, want 6 and the one that was sent to events.b", n)
		}
		return nil
	})
	for name, subject := range map[string]string{
		"EVENTS": "events.b", "PELTON_DEAD": "pelton.dead.default.b", "PELTON_WORK": "pelton.work.default.b.retry",
		"PELTON_RUNS": "pelton.run.default.b",
	} {
		if n := r.count(name)[subject]; n != 0 {
			t.Errorf("%s has %d messages on %s", name, n, subject)
		}
	}
	select {
	case err := <-i.refusals:
		t.Errorf("the server has become stricter, say so in deploy/docs/security.md: %v", err)
	default:
	}
}

// TestSchedulesReachNeighbours holds what deploy/docs/security.md says under "What permissions do not keep apart": whoever may
// park in PELTON_WORK reaches every subject of that stream by headers, which no permission sees. Once a server refuses one of
// these, the page promises too little.
func TestSchedulesReachNeighbours(t *testing.T) {
	t.Parallel()
	r, _, js := neighbours(t)
	soon := func() string { return "@at " + time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano) }
	publish(t, r.admins["a"], "pelton.park.default.b.EVENTS.1", "secret of b")
	park(t, r.admins["a"], "pelton.park.default.b.EVENTS.2", nats.Header{
		"Nats-Schedule": {"@at 2099-01-01T00:00:00Z"}, "Nats-Schedule-Target": {"pelton.work.default.b.retry"},
	})
	park(t, js, "pelton.park.default.a.EVENTS.1", nats.Header{
		"Nats-Schedule": {soon()}, "Nats-Schedule-Target": {"pelton.work.default.b.retry"},
	})
	park(t, js, "pelton.park.default.a.EVENTS.2", nats.Header{
		"Nats-Schedule": {soon()}, "Nats-Schedule-Target": {"pelton.work.default.a.retry"},
		"Nats-Schedule-Source": {"pelton.park.default.b.EVENTS.1"},
	})
	park(t, js, "pelton.park.default.a.EVENTS.3", nats.Header{
		"Nats-Schedule-Next": {"purge"}, "Nats-Scheduler": {"pelton.park.default.b.EVENTS.2"},
	})
	waittest.Eventually(t, func() error {
		n := r.count("PELTON_WORK")
		if n["pelton.work.default.b.retry"] != 1 || n["pelton.work.default.a.retry"] != 1 || n["pelton.park.default.b.EVENTS.2"] != 0 {
			return fmt.Errorf("PELTON_WORK has %v", n)
		}
		return nil
	})
	s, err := r.admins["a"].Stream(t.Context(), stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.GetLastMsgForSubject(t.Context(), "pelton.work.default.a.retry"); err != nil || string(m.Data) != `"secret of b"` {
		t.Errorf("copied %v, %v", m, err)
	}
}

// TestDirectGetsGoAnywhere holds what the page says of direct gets: the server sends the answer to any subject it is told, under that
// subject, with all that its asker has written into it. Once a server refuses that, the page promises too little.
func TestDirectGetsGoAnywhere(t *testing.T) {
	t.Parallel()
	r, i, js := neighbours(t)
	const own = "pelton.result.default.a.AAAAAAAAAAAAAAAAAAAA"
	if _, err := js.Publish(t.Context(), own, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := i.PublishRequest("$JS.API.DIRECT.GET.PELTON_RESULTS."+own, "pelton.run.default.b", nil); err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		if n := r.count("PELTON_RUNS")["pelton.run.default.b"]; n != 1 {
			return fmt.Errorf("%d forged run records, want 1", n)
		}
		return nil
	})
}

func park(t *testing.T, js jetstream.JetStream, subject string, header nats.Header) {
	t.Helper()
	if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Header: header, Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
}
