package natsauth_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natsauth"
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/wake"
)

// program connects one of our programs as it connects itself. Whatever the server refuses fails the test.
func (r *rig) program(p natsauth.Permissions) *natsclient.Conn {
	r.t.Helper()
	content, err := r.issuer("a", 0).Permanent("program", p, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	nc, err := natsclient.Connect(r.t.Context(), natsclient.Config{
		URL: r.srv.URL(), Name: "program", Creds: writeFile(r.t, content),
		More: []nats.Option{nats.PermissionErrOnSubscribe(true)},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := nc.LastError(); err != nil {
			r.t.Errorf("connection: %v", err)
		}
		nc.Close()
	})
	return nc
}

// TestScaler has what a scaler is made of do its work with a scaler's rights, on a server where nothing is there yet: read the
// catalog, find out that probes work, be woken, and read depths.
func TestScaler(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	nc := r.program(natsauth.OfScaler())
	core, logs := observer.New(zap.InfoLevel)
	known, err := catalog.New(nc.Conn, catalog.Config{Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	background(t, known.Run)
	waittest.Eventually(t, known.Ready)
	fn := newFunction("work", nil)
	r.provision("a", fn)
	waittest.Eventually(t, func() error {
		_, there, err := known.Lookup(fn.Key())
		if err == nil && !there {
			err = errors.New("the function is not in the catalog")
		}
		return err
	})
	r.watch(nc.Conn, zap.New(core), fn)
	for _, entry := range logs.All() {
		t.Errorf("it says: %s %v", entry.Message, entry.ContextMap())
	}
}

// watch has a watcher see that an event is due.
func (r *rig) watch(nc *nats.Conn, log *zap.Logger, fn *function.Function) {
	r.t.Helper()
	watcher, err := wake.New(nc, wake.Config{AllWork: true, Logger: log})
	if err != nil {
		r.t.Fatal(err)
	}
	background(r.t, watcher.Run)
	watcher.Watch(fn.Key(), stream.ConsumersOf(fn), func() {})
	waittest.Eventually(r.t, func() error {
		if reading := watcher.Reading(fn.Key()); !reading.Known || reading.Err != nil {
			return fmt.Errorf("reading %+v", reading)
		}
		return nil
	})
	publish(r.t, r.admins["a"], "events.work", "x")
	waittest.Eventually(r.t, func() error {
		if due := watcher.Reading(fn.Key()).Due; due != 1 {
			return fmt.Errorf("%d due", due)
		}
		return nil
	})
}

// TestBridge does on NATS what a front door does, with its rights.
func TestBridge(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	r.provision("a", newFunction("work", nil))
	nc := r.program(natsauth.OfBridge())
	known, err := catalog.New(nc.Conn, catalog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	background(t, known.Run)
	waittest.Eventually(t, func() error {
		if n := len(known.Entries()); n != 1 {
			return fmt.Errorf("the catalog has %d functions, want 1", n)
		}
		return known.Ready()
	})
	js, err := jetstream.New(nc.Conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"events.orders.created", "pelton.work.default.work.http"} {
		if _, err := js.Publish(t.Context(), subject, []byte("x")); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	answers, err := nc.SubscribeSync("pelton.answer.*.*.bridge.*")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, r.admins["a"], "events.other", "x") // so that the connection is known to work
	if err := r.admins["a"].Conn().PublishRequest("pelton.answer.default.work.bridge.one", "_INBOX_PELTON.default.work.x", nil); err != nil {
		t.Fatal(err)
	}
	m, err := answers.NextMsgWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish(m.Reply, nil); err != nil {
		t.Error(err)
	}
	id := result.ID{Namespace: "default", Function: "work", Token: result.NewToken()}
	first, err := result.First(id, result.Record{Call: result.Call{Token: id.Token}, State: result.Queued})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.PublishMsg(t.Context(), first); err != nil {
		t.Errorf("first record of a call: %v", err)
	}
	if _, _, err := result.Read(t.Context(), nc.Conn, id); err != nil {
		t.Errorf("read it: %v", err)
	}
	stop, err := result.Watch(t.Context(), nc.Conn, id, make(chan result.Record, 1))
	if err != nil {
		t.Errorf("wait for another: %v", err)
	}
	stop()
	if _, err := nc.RequestWithContext(t.Context(), "$JS.API.STREAM.MSG.DELETE.PELTON_WORK", []byte(`{"seq":1}`)); err != nil {
		t.Errorf("take back a call: %v", err)
	}
}

// TestController does on NATS what a controller does, with its rights: all of a function's life.
func TestController(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	nc := r.program(natsauth.OfController())
	js, err := jetstream.New(nc.Conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	fn := newFunction("work", func(s *function.Spec) {
		s.Reply = &function.Reply{Subject: "events.replies"}
		s.Triggers = append(s.Triggers, function.Trigger{Schedule: &function.ScheduleTrigger{Cron: "@daily", Data: []byte(`{}`)}})
	})
	other := newFunction("work", func(s *function.Spec) { s.Triggers[0].Event.Subjects = []string{"events.work", "events.more"} })
	steps := []struct {
		what string
		do   func() error
	}{
		{"make streams", func() error { return second(stream.Ensure(ctx, js, stream.Config{})) }},
		{"make them again", func() error { return second(stream.Ensure(ctx, js, stream.Config{MaxBytes: 1 << 30})) }},
		{"have more replicas of them", func() error {
			_, err := stream.Ensure(ctx, js, stream.Config{Replicas: 3})
			if _, ok := errors.AsType[*jetstream.APIError](err); ok {
				return nil // the server takes it from us, and cannot do it alone
			}
			return fmt.Errorf("three replicas on one server: %w", err)
		}},
		{"make the catalog", func() error { return catalog.Ensure(ctx, js, 1) }},
		{"check a function", func() error { return stream.Check(ctx, js, fn) }},
		{"provision it", func() error { return second(stream.EnsureFunction(ctx, js, fn)) }},
		{"enter it", func() error { return catalog.Put(ctx, js, fn) }},
		{"change it", func() error { return second(stream.EnsureFunction(ctx, js, other)) }},
		{"enter it again", func() error { return catalog.Put(ctx, js, other) }},
		{"schedule it again", func() error { return second(stream.EnsureFunction(ctx, js, fn)) }},
		{"look at what it has", func() error { return second(stream.OwnedBy(ctx, js, fn.Key())) }},
		{"see how deep its queue is", func() error {
			c := stream.ConsumersOf(fn)[0]
			return second(js.Consumer(ctx, c.Stream, c.Name))
		}},
		{"bury what waits", func() error { return r.bury(ctx, js, fn) }},
		{"remove it", func() error {
			owned, err := stream.OwnedBy(ctx, js, fn.Key())
			if err != nil {
				return err
			}
			return stream.Remove(ctx, js, fn.Key(), owned, true)
		}},
		{"take it out", func() error { return catalog.Remove(ctx, js, fn.Key()) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.what, err)
		}
	}
	if owned, err := stream.OwnedBy(ctx, r.admins["a"], fn.Key()); err != nil || !owned.Nothing() {
		t.Errorf("left over: %+v, %v", owned, err)
	}
}

// TestProgramsAreBound tries with the rights of the scaler, the bridge and the controller what none of them has to do.
func TestProgramsAreBound(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	r.provision("a", newFunction("b", nil))
	both := []string{
		"events.orders", "pelton.work.default.b.retry", "pelton.park.default.b.EVENTS.1", "pelton.run.default.b",
		"$JS.API.STREAM.PURGE.EVENTS", "$JS.API.STREAM.MSG.DELETE.EVENTS", "$JS.API.STREAM.SNAPSHOT.EVENTS",
		"$JS.API.STREAM.UPDATE.ORDERS", "$JS.API.DIRECT.GET.EVENTS", "$JS.API.STREAM.MSG.GET.EVENTS", "$KV.settings.color",
		"$SYS.REQ.SERVER.PING", "_INBOX_PELTON.default.b.one.two",
	}
	for name, c := range map[string]struct {
		permissions natsauth.Permissions
		inbox       string
		more        []string
		may         []string // of both
	}{
		"scaler": {natsauth.OfScaler(), natsauth.ScalerInbox, []string{
			"$JS.ACK.EVENTS.x.1.1.1.1.0", "pelton.dead.default.b", "pelton.function.default.b", "$JS.API.CONSUMER.DELETE.EVENTS.x",
			"$JS.API.STREAM.PURGE.PELTON_WORK", "$JS.API.STREAM.UPDATE.EVENTS",
		}, nil},
		"bridge": {natsauth.OfBridge(), natsauth.BridgeInbox, []string{
			"$JS.API.CONSUMER.MSG.NEXT.EVENTS.x", "$JS.API.CONSUMER.CREATE.EVENTS.x", "$JS.ACK.EVENTS.x.1.1.1.1.0", "pelton.dead.default.b",
			"pelton.function.default.b", "pelton.answer.default.b.x.y", "$JS.API.STREAM.DELETE.PELTON_WORK", "$JS.API.STREAM.NAMES",
		}, []string{"events.orders", "_INBOX_PELTON.default.b.one.two"}},
		"controller": {natsauth.OfController(), natsauth.ControllerInbox, []string{
			"$JS.API.STREAM.DELETE.EVENTS", "$JS.API.STREAM.DELETE.PELTON_WORK", "$JS.API.STREAM.PURGE.PELTON_DEAD",
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := r.issuer("a", 0).Permanent(name, c.permissions, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			i := r.intruder(writeFile(t, content), c.inbox)
			for _, subject := range slices.Concat(both, c.more) {
				if slices.Contains(c.may, subject) {
					continue
				}
				i.mustBeRefused(t, "Publish", subject, func() error { return i.publish(attempt{subject: subject}) })
			}
			for _, subject := range []string{"events.>", "_INBOX.>", "_INBOX_PELTON.>", ">"} {
				i.mustBeRefused(t, "Subscription", subject, func() error { return i.subscribe(subject, "") })
			}
		})
	}
}

var cell = regexp.MustCompile("`([^`]+)`")

// TestPagesAndLists compares what the pages tell people to allow with what the tests above have found to be enough.
func TestPagesAndLists(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../deploy/docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	fn := newFunction("NAME", nil)
	fn.Metadata.Name, fn.Metadata.Namespace = "name", "namespace"
	sidecar, err := natsauth.OfFunction(fn)
	if err != nil {
		t.Fatal(err)
	}
	events, work := stream.ConsumersOf(fn)[0].Name, stream.ConsumersOf(fn)[1].Name
	for heading, c := range map[string]struct {
		permissions natsauth.Permissions
		words       *strings.Replacer
	}{
		"### A sidecar": {sidecar, strings.NewReplacer(
			"namespace.name", "NS.FN", "EVENTS."+events, "STREAM.CONSUMER", "PELTON_WORK."+work, "STREAM.CONSUMER")},
		"### The scaler":     {natsauth.OfScaler(), strings.NewReplacer()},
		"### The bridge":     {natsauth.OfBridge(), strings.NewReplacer()},
		"### The controller": {natsauth.OfController(), strings.NewReplacer()},
	} {
		_, section, found := strings.Cut(string(page), heading+"\n")
		if !found {
			t.Errorf("security.md has no heading %q", heading)
			continue
		}
		section, _, _ = strings.Cut(section, "\n#")
		var told, wanted []string
		for line := range strings.Lines(section) {
			if !strings.HasPrefix(line, "| `") {
				continue
			}
			first, _, _ := strings.Cut(line[1:], "|")
			for _, m := range cell.FindAllStringSubmatch(first, -1) {
				told = append(told, m[1])
			}
		}
		for _, subject := range slices.Concat(c.permissions.Publish, c.permissions.Subscribe) {
			wanted = append(wanted, c.words.Replace(subject))
		}
		slices.Sort(told)
		slices.Sort(wanted)
		if diff := cmp.Diff(slices.Compact(wanted), slices.DeleteFunc(told, func(s string) bool { return s == "REPLY" })); diff != "" {
			t.Errorf("%s (-list +page):\n%s", heading, diff)
		}
	}
}

// bury does what a controller does with what waits for a function that is deleted.
func (r *rig) bury(ctx context.Context, js jetstream.JetStream, fn *function.Function) error {
	r.t.Helper()
	publish(r.t, r.admins["a"], "events.work", "waits")
	c := stream.ConsumersOf(fn)[0]
	consumer, err := js.Consumer(ctx, c.Stream, c.Name)
	if err != nil {
		return err
	}
	m, err := consumer.Next(jetstream.FetchMaxWait(time.Minute), jetstream.FetchPriorityGroup(stream.PriorityGroup))
	if err != nil {
		return err
	}
	if _, err := js.Publish(ctx, "pelton.dead.default.work", m.Data()); err != nil {
		return err
	}
	if err := m.DoubleAck(ctx); err != nil {
		return err
	}
	publish(r.t, r.admins["a"], "pelton.park.default.work.EVENTS.1", "parked")
	s, err := js.Stream(ctx, stream.WorkStream)
	if err != nil {
		return err
	}
	parked, err := s.GetMsg(ctx, 1, jetstream.WithGetMsgSubject("pelton.park.default.work.>"))
	if err != nil {
		return err
	}
	return s.DeleteMsg(ctx, parked.Sequence)
}

// background runs parts until the test ends.
func background(t *testing.T, runs ...func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, len(runs))
	for _, run := range runs {
		go func() { done <- run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range runs {
			if err := waittest.Receive(t, done); err != nil {
				t.Error(err)
			}
		}
	})
}
