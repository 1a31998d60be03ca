package natsauth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natsauth"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// attempt is something that the sidecar of function "own" must not do.
type attempt struct{ what, subject, body string }

// publishes are what must not be published: function "other" is a neighbour in the same namespace and account.
func publishes(own, other *function.Function) []attempt {
	events, work := stream.ConsumersOf(other)[0].Name, stream.ConsumersOf(other)[1].Name
	mine := stream.ConsumersOf(own)[0].Name
	const api = "$JS.API."
	delivery := func(stream, consumer string) string { return stream + "." + consumer + ".1.1.1.1700000000000000000.0" }
	list := []attempt{
		{"pull another's events", api + "CONSUMER.MSG.NEXT.EVENTS." + events, `{"batch":1,"no_wait":true}`},
		{"pull another's own queue", api + "CONSUMER.MSG.NEXT.PELTON_WORK." + work, `{"batch":1,"no_wait":true}`},
		{"acknowledge for another", "$JS.ACK." + delivery("EVENTS", events), "+ACK"},
		{"acknowledge for another's queue", "$JS.ACK." + delivery("PELTON_WORK", work), "+ACK"},
		{"refuse for another", "$JS.ACK." + delivery("EVENTS", events), "-NAK"},
		{"give up for another", "$JS.ACK." + delivery("EVENTS", events), "+TERM"},
		{"hold for another", "$JS.ACK." + delivery("EVENTS", events), "+WPI"},
		{"acknowledge for another and ask for more", "$JS.ACK." + delivery("EVENTS", events), "+NXT"},
		{"acknowledge for another, second form", "$JS.ACK._.hash." + delivery("EVENTS", events), "+ACK"},
		{"look at another's consumer", api + "CONSUMER.INFO.EVENTS." + events, ""},
		{"look at the own consumer", api + "CONSUMER.INFO.EVENTS." + mine, ""},
		{"delete another's consumer", api + "CONSUMER.DELETE.EVENTS." + events, ""},
		{"delete the own consumer", api + "CONSUMER.DELETE.EVENTS." + mine, ""},
		{"make a consumer without a name", api + "CONSUMER.CREATE.EVENTS", `{"stream_name":"EVENTS","config":{}}`},
		{"make a consumer", api + "CONSUMER.CREATE.EVENTS.spy", `{"stream_name":"EVENTS","config":{"name":"spy"}}`},
		{"make a filtered consumer", api + "CONSUMER.CREATE.EVENTS.spy.events.b", `{"stream_name":"EVENTS","config":{"name":"spy"}}`},
		{"make a durable consumer", api + "CONSUMER.DURABLE.CREATE.EVENTS.spy", `{"stream_name":"EVENTS","config":{"durable_name":"spy"}}`},
		{"widen the own consumer", api + "CONSUMER.CREATE.EVENTS." + mine, `{"stream_name":"EVENTS","config":{"filter_subject":">"}}`},
		{"read dead letters by a consumer", api + "CONSUMER.CREATE.PELTON_DEAD.spy", `{"stream_name":"PELTON_DEAD","config":{"name":"spy"}}`},
		{"list consumers by name", api + "CONSUMER.NAMES.EVENTS", ""},
		{"list consumers", api + "CONSUMER.LIST.EVENTS", ""},
		{"pause another's consumer", api + "CONSUMER.PAUSE.EVENTS." + events, `{"pause_until":"2099-01-01T00:00:00Z"}`},
		{"unpin another's consumer", api + "CONSUMER.UNPIN.EVENTS." + events, `{"group":"pull"}`},
		{"reset another's consumer", api + "CONSUMER.RESET.EVENTS." + events, `{}`},
		{"reset the own consumer", api + "CONSUMER.RESET.EVENTS." + mine, `{}`},
		{"move another's consumer", api + "CONSUMER.LEADER.STEPDOWN.EVENTS." + events, ""},
		{"make a stream", api + "STREAM.CREATE.MINE", `{"name":"MINE","subjects":["mine.>"]}`},
		{"change a stream", api + "STREAM.UPDATE.EVENTS", `{"name":"EVENTS","subjects":["nothing"]}`},
		{"delete a stream", api + "STREAM.DELETE.EVENTS", ""},
		{"delete the dead letters", api + "STREAM.DELETE.PELTON_DEAD", ""},
		{"empty a stream", api + "STREAM.PURGE.EVENTS", ""},
		{"empty another's queue", api + "STREAM.PURGE.PELTON_WORK", `{"filter":"pelton.work.default.b.>"}`},
		{"look at a stream", api + "STREAM.INFO.EVENTS", ""},
		{"list streams by name", api + "STREAM.NAMES", ""},
		{"list streams", api + "STREAM.LIST", ""},
		{"read an event", api + "STREAM.MSG.GET.EVENTS", `{"seq":1}`},
		{"read an event directly", api + "DIRECT.GET.EVENTS", `{"seq":1}`},
		{"read a subject directly", api + "DIRECT.GET.EVENTS.events.b", ""},
		{"read another's dead letter", api + "DIRECT.GET.PELTON_DEAD.pelton.dead.default.b", ""},
		{"read another's parked event", api + "STREAM.MSG.GET.PELTON_WORK", `{"last_by_subj":"pelton.park.default.b.EVENTS.1"}`},
		{"delete an event", api + "STREAM.MSG.DELETE.EVENTS", `{"seq":1}`},
		{"delete a dead letter", api + "STREAM.MSG.DELETE.PELTON_DEAD", `{"seq":1}`},
		{"copy a stream away", api + "STREAM.SNAPSHOT.EVENTS", `{"deliver_subject":"_INBOX_PELTON.default.a.copy"}`},
		{"restore a stream", api + "STREAM.RESTORE.NEW", `{"config":{"name":"NEW"},"state":{}}`},
		{"move a stream", api + "STREAM.LEADER.STEPDOWN.EVENTS", ""},
		{"take a stream's copy away", api + "STREAM.PEER.REMOVE.EVENTS", `{"peer":"x"}`},
		{"look at the account", api + "INFO", ""},
		{"move the leader of all", api + "META.LEADER.STEPDOWN", ""},
		{"remove a server", api + "SERVER.REMOVE", `{"peer":"x"}`},
		{"purge an account", api + "ACCOUNT.PURGE.A", ""},
		{"forge an event", "events.orders", "x"},
		{"forge an event for another", "events.b", "x"},
		{"forge an event for itself", "events.a", "x"},
		{"call another directly", "pelton.work.default.b.retry", "x"},
		{"call itself directly", "pelton.work.default.a.retry", "x"},
		{"park for another", "pelton.park.default.b.EVENTS.1", "x"},
		{"change another's schedule", "pelton.park.default.b.schedule.0", "x"},
		{"forge another's dead letter", "pelton.dead.default.b", "x"},
		{"forge a dead letter of another namespace", "pelton.dead.other.a", "x"},
		{"forge another's run record", "pelton.run.default.b", "x"},
		{"forge another's result", "pelton.result.default.b.aaaaaaaaaaaaaaaaaaaa", "x"},
		{"read another's result", api + "DIRECT.GET.PELTON_RESULTS.pelton.result.default.b.aaaaaaaaaaaaaaaaaaaa", ""},
		{"read another's large body", api + "DIRECT.GET.PELTON_BODIES.pelton.body.default.b.AAAA.0", ""},
		{
			"read another's large body by a consumer", api + "CONSUMER.CREATE.PELTON_BODIES.spy.pelton.body.default.b.AAAA.*",
			`{"stream_name":"PELTON_BODIES","config":{"name":"spy","filter_subject":"pelton.body.default.b.AAAA.*"}}`,
		},
		{"read any large body by a consumer", api + "CONSUMER.CREATE.PELTON_BODIES.spy", `{"stream_name":"PELTON_BODIES","config":{"name":"spy"}}`},
		{"read any large body", api + "STREAM.MSG.GET.PELTON_BODIES", `{"seq":1}`},
		{"read any large body directly", api + "DIRECT.GET.PELTON_BODIES", `{"seq":1}`},
		{"replace another's large body", "pelton.body.default.b.AAAA.0", ""},
		{"delete a large body", api + "STREAM.MSG.DELETE.PELTON_BODIES", `{"seq":1}`},
		{"delete all large bodies", api + "STREAM.PURGE.PELTON_BODIES", ""},
		{"say another is busy", "pelton.busy.default.b.r1", "1"},
		{"change another's entry in the catalog", "pelton.function.default.b", "{}"},
		{"change the own entry in the catalog", "pelton.function.default.a", "{}"},
		{"write a key", "$KV.settings.color", "red"},
		{"make a bucket", api + "STREAM.CREATE.KV_mine", `{"name":"KV_mine","subjects":["$KV.mine.>"]}`},
		{"read a key", api + "DIRECT.GET.KV_settings.$KV.settings.color", ""},
		{"write an object", "$O.files.C.x", "x"},
		{"name an object", "$O.files.M.x", "{}"},
		{"ask servers who they are", "$SYS.REQ.SERVER.PING", ""},
		{"ask servers for connections", "$SYS.REQ.SERVER.PING.CONNZ", ""},
		{"change an account", "$SYS.REQ.CLAIMS.UPDATE", "x"},
		{"hasten a flow", "$JS.FC.EVENTS.x.y", ""},
		{"ask for services", "$SRV.PING", ""},
		{"answer another", "_INBOX_PELTON.default.b.one.two", "x"},
		{"answer anybody", "_INBOX.one.two", "x"},
		{"answer itself", "_INBOX_PELTON.default.a.one.two", "x"},
	}
	return list
}

// subscriptions are what must not be listened to.
var subscriptions = []string{
	"events.>", ">", "*", "pelton.>", "pelton.dead.default.a", "pelton.dead.default.b", "pelton.work.default.a.>",
	"pelton.work.default.b.>", "pelton.run.>", "$JS.API.>", "$JS.ACK.>", "$JS.EVENT.ADVISORY.>", "_INBOX.>", "_INBOX_PELTON.>",
	"_INBOX_PELTON.default.>", "_INBOX_PELTON.default.*.>", "_INBOX_PELTON.default.b.>", "$SYS.>", "$KV.>", "$O.>", "$SRV.>",
}

// TestForbidden tries everything with the credentials of a function. The server must refuse each, and nothing may have changed.
// The same is tried with all rights, so that no attempt is refused only because it is written wrongly.
func TestForbidden(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	own, other := newFunction("a", nil), newFunction("b", nil)
	r.provision("a", own, other)
	publish(t, r.admins["a"], "events.b", "for b")
	publish(t, r.admins["a"], "pelton.dead.default.b", "of b")

	attempts := publishes(own, other)
	if n := len(attempts) + len(subscriptions); n < 60 {
		t.Errorf("%d attempts", n)
	}
	before := r.state()
	function := r.intruder(r.file(r.issuer("a", 0), own), natsauth.InboxOf(own.Key()))
	for _, a := range attempts {
		t.Run(a.what, func(t *testing.T) {
			function.mustBeRefused(t, "Publish", a.subject, func() error { return function.publish(a) })
		})
	}
	for _, subject := range subscriptions {
		t.Run("listen on "+subject, func(t *testing.T) {
			function.mustBeRefused(t, "Subscription", subject, func() error { return function.subscribe(subject, "") })
			function.mustBeRefused(t, "Subscription", subject, func() error { return function.subscribe(subject, "group") })
		})
	}
	if diff := cmp.Diff(before, r.state()); diff != "" {
		t.Errorf("something has changed:\n%s", diff)
	}
	checkAttempts(t, r, attempts)
}

// TestForbiddenWithOrder tries what a function with an order could mistake for its own.
func TestForbiddenWithOrder(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	own, other := newFunction("a", inOrder), newFunction("b", inOrder)
	r.provision("a", own, other)
	function := r.intruder(r.file(r.issuer("a", 0), own), natsauth.InboxOf(own.Key()))
	const lease = "$JS.API.DIRECT.GET.PELTON_LEASES"
	theirs := stream.ConsumersOf(other)[0].Name
	for _, subject := range []string{
		"pelton.lease.default.b", "pelton.lease.other.a", lease, lease + ".pelton.lease.default.b", "$JS.API.STREAM.PURGE.PELTON_LEASES",
		"$JS.API.STREAM.MSG.GET.PELTON_LEASES", "$JS.API.STREAM.MSG.DELETE.PELTON_LEASES", "$JS.API.STREAM.DELETE.PELTON_LEASES",
		"$JS.API.CONSUMER.CREATE.PELTON_LEASES.spy", "pelton.order.default.b.hello", "pelton.order.default.b.to.x",
		"$JS.API.CONSUMER.INFO.EVENTS." + theirs, "$JS.ACK.EVENTS." + theirs + ".1.1.1.1700000000000000000.0",
		"_INBOX_PELTON.default.b.one.two",
	} {
		t.Run(subject, func(t *testing.T) {
			function.mustBeRefused(t, "Publish", subject, func() error { return function.publish(attempt{"", subject, "{}"}) })
		})
	}
	for _, subject := range []string{"pelton.order.>", "pelton.order.default.b.>", "pelton.lease.>", "pelton.lease.default.a"} {
		t.Run("listen on "+subject, func(t *testing.T) {
			function.mustBeRefused(t, "Subscription", subject, func() error { return function.subscribe(subject, "") })
		})
	}
}

func inOrder(s *function.Spec) { s.Ordering = &function.Ordering{Key: "event.subject"} }

// checkAttempts makes sure that the attempts would work if one were allowed to.
func checkAttempts(t *testing.T, r *rig, attempts []attempt) {
	content, err := r.issuer("a", 0).Permanent("admin", natsauth.Everything(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	admin := r.intruder(writeFile(t, content), "_INBOX")
	for _, a := range attempts {
		if err := admin.publish(a); err != nil {
			t.Errorf("%s: with all rights: %v", a.what, err)
		}
	}
	if err := admin.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-admin.refusals:
		t.Errorf("with all rights: %v", err)
	default:
	}
	waittest.Eventually(t, func() error { // the server does what it is asked for after it has taken the question
		if _, err := r.admins["a"].Stream(t.Context(), "MINE"); err != nil {
			return fmt.Errorf("a stream that could be made was not: %w", err)
		}
		if _, err := r.admins["a"].Stream(t.Context(), "EVENTS"); !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("a stream that could be deleted is there: %w", err)
		}
		return nil
	})
}

// intruder is a connection on which what the server refuses is noted.
type intruder struct {
	*nats.Conn
	refusals chan error
}

func (r *rig) intruder(creds, inbox string) *intruder {
	r.t.Helper()
	i := &intruder{refusals: make(chan error, 1000)}
	i.Conn = r.srv.Conn(r.t, nats.UserCredentials(creds), nats.CustomInboxPrefix(inbox),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { i.refusals <- err }))
	return i
}

func (i *intruder) publish(a attempt) error {
	return i.PublishRequest(a.subject, i.NewInbox(), []byte(a.body))
}

func (i *intruder) subscribe(subject, group string) error {
	_, err := i.QueueSubscribe(subject, group, func(*nats.Msg) {})
	return err
}

// mustBeRefused wants the server's own word for it.
func (i *intruder) mustBeRefused(t *testing.T, what, subject string, try func() error) {
	t.Helper()
	if err := try(); err != nil {
		t.Fatal(err)
	}
	if err := i.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-i.refusals:
		if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), fmt.Sprintf("%s to %q", what, subject)) {
			t.Errorf("refused otherwise: %v", err)
		}
	case <-time.After(waittest.Patience):
		t.Errorf("not refused: %s to %s", what, subject)
	}
}

// state is what an account holds, as far as an intruder could change it.
func (r *rig) state() map[string]any {
	r.t.Helper()
	state := map[string]any{}
	streams := r.admins["a"].ListStreams(r.t.Context())
	for s := range streams.Info() {
		state[s.Config.Name] = []any{s.Config, s.State}
		handle, err := r.admins["a"].Stream(r.t.Context(), s.Config.Name)
		if err != nil {
			r.t.Fatal(err)
		}
		consumers := handle.ListConsumers(r.t.Context())
		for c := range consumers.Info() {
			state[s.Config.Name+" "+c.Name] = []any{c.Config, c.Delivered, c.AckFloor, c.NumPending, c.NumAckPending, c.NumWaiting, c.Paused}
		}
		if err := consumers.Err(); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := streams.Err(); err != nil {
		r.t.Fatal(err)
	}
	return state
}
