package scalers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kedatest"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/wake"
	"github.com/pelton-dev/pelton/scalers"
)

const (
	speed     = 50                // how many times faster than KEDA the operator of these tests is
	never     = 1000 * time.Hour  // an interval that does not come
	keda      = time.Second       // a second of KEDA's time
	namespace = "shop"            // of all functions and objects
	none      = time.Duration(-1) // no cooldown, no stabilization
)

// world is a NATS server with Pelton's streams, and how scalers are configured there.
type world struct {
	nats   *natstest.Server
	js     jetstream.JetStream
	config scalers.Config
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{nats: natstest.Start(t, natstest.Listen())}
	w.config.FreshStart, w.config.Settle = scalers.DefaultFreshStart/speed, scalers.DefaultSettle/speed
	w.js = w.nats.JetStream(t)
	if _, err := stream.Ensure(t.Context(), w.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	if err := catalog.Ensure(t.Context(), w.js, 1); err != nil {
		t.Fatal(err)
	}
	return w
}

// function makes a function that reads events.NAME, and enters it.
func (w *world) function(t *testing.T, name string, concurrency int) *function.Function {
	t.Helper()
	fn := &function.Function{Metadata: function.Metadata{Namespace: namespace, Name: name}}
	fn.Spec.Concurrency = concurrency
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{
		Stream: stream.EventsStream, Subjects: []string{"events." + name},
	}}}
	fn.SetDefaults()
	if _, err := stream.EnsureFunction(t.Context(), w.js, fn); err != nil {
		t.Fatal(err)
	}
	w.enter(t, fn)
	return fn
}

func (w *world) enter(t *testing.T, fn *function.Function) {
	t.Helper()
	if err := catalog.Put(t.Context(), w.js, fn); err != nil {
		t.Fatal(err)
	}
}

func (w *world) publish(t *testing.T, name string, n int) {
	t.Helper()
	for range n {
		if _, err := w.js.Publish(t.Context(), "events."+name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

// take pulls n messages of a function from its event consumer, or from its own queue, as its sidecar does.
func (w *world) take(t *testing.T, fn *function.Function, work bool, n int) []jetstream.Msg {
	t.Helper()
	cs := stream.ConsumersOf(fn)
	from := cs[0]
	if work {
		from = cs[len(cs)-1]
	}
	c, err := w.js.Consumer(t.Context(), from.Stream, from.Name)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(n, jetstream.FetchPrioritized(stream.WorkerPriority),
		jetstream.FetchPriorityGroup(stream.PriorityGroup), jetstream.FetchMaxWait(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var ms []jetstream.Msg
	for m := range batch.Messages() {
		ms = append(ms, m)
	}
	if len(ms) != n {
		t.Fatalf("took %d messages, want %d: %v", len(ms), n, batch.Error())
	}
	return ms
}

func ack(t *testing.T, ms ...jetstream.Msg) {
	t.Helper()
	for _, m := range ms {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// replica is one running scaler: everything that pelton-scaler has, but the process.
type replica struct {
	addr     string
	listener *cutListener
	srv      *grpc.Server
	scaler   *scalers.Scaler
	endRPC   context.CancelFunc // ends the scaler's streams
	end      context.CancelFunc // ends all else
	once     sync.Once
	streams  sync.WaitGroup
	all      sync.WaitGroup
}

// startScaler starts a scaler on addr, which may be one that a scaler before it had.
func (w *world) startScaler(t *testing.T, addr string) *replica {
	t.Helper()
	nc := w.nats.Conn(t)
	watcher, err := wake.New(nc, wake.Config{AllWork: true, DepthInterval: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	known, err := catalog.New(nc, catalog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{listener: listen(t, addr), srv: grpc.NewServer()}
	r.addr = r.listener.Addr().String()
	cfg := w.config
	cfg.Watcher, cfg.Catalog = watcher, known
	if r.scaler, err = scalers.New(cfg); err != nil {
		t.Fatal(err)
	}
	r.scaler.Register(r.srv)
	rest, end := context.WithCancel(context.Background())
	rpcs, endRPC := context.WithCancel(context.Background())
	r.end, r.endRPC = end, endRPC
	run := func(wg *sync.WaitGroup, name string, run func() error) {
		wg.Go(func() {
			if err := run(); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	run(&r.all, "wake", func() error { return watcher.Run(rest) })
	run(&r.all, "catalog", func() error { return known.Run(rest) })
	run(&r.streams, "scaler", func() error { return r.scaler.Run(rpcs) })
	run(&r.all, "gRPC", func() error { return r.srv.Serve(r.listener) })
	t.Cleanup(r.kill)
	return r
}

// stop is what SIGTERM does: the streams end, and then the server.
func (r *replica) stop() {
	r.once.Do(func() {
		r.endRPC()
		r.streams.Wait()
		r.srv.GracefulStop()
		r.end()
		r.all.Wait()
	})
}

// kill cuts listener and connections first, as SIGKILL does, and only then lets go of what a process would take along.
func (r *replica) kill() {
	r.once.Do(func() {
		r.listener.cut()
		r.srv.Stop()
		r.endRPC()
		r.end()
		r.streams.Wait()
		r.all.Wait()
	})
}

// cutListener remembers its connections.
type cutListener struct {
	net.Listener

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func listen(t *testing.T, addr string) *cutListener {
	t.Helper()
	if addr == "127.0.0.1:0" {
		addr = fmt.Sprintf("127.0.0.1:%d", testenv.HoldPort(t)) // of the scalers after this one too
	}
	l := &cutListener{}
	waittest.Eventually(t, func() (err error) { // the one before may still be about to leave it
		l.Listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
		return err
	})
	return l
}

func (l *cutListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, c)
		l.mu.Unlock()
	}
	return c, err
}

func (l *cutListener) cut() {
	_ = l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.(*net.TCPConn).SetLinger(0) // a reset, as of a process that is gone
		_ = c.Close()
	}
}

// operator is the fake KEDA.
type operator struct{ *kedatest.Operator }

func startKEDA(t *testing.T, cfg kedatest.Config) operator {
	t.Helper()
	cfg.Speed = speed
	op, err := kedatest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(op.Close)
	t.Cleanup(func() {
		if t.Failed() {
			for _, e := range op.Timeline() {
				t.Log(e)
			}
		}
	})
	return operator{op}
}

// scale adds an object for a function, named like it.
func (o operator) scale(t *testing.T, fn *function.Function, obj kedatest.Object) kedatest.Key {
	t.Helper()
	obj.Name, obj.Metadata = fn.Metadata.Name, map[string]string{"function": fn.Metadata.Name}
	return o.add(t, obj)
}

func (o operator) add(t *testing.T, obj kedatest.Object) kedatest.Key {
	t.Helper()
	obj.Namespace = namespace
	if err := o.Add(obj); err != nil {
		t.Fatal(err)
	}
	return obj.Key()
}

func (o operator) await(t *testing.T, key kedatest.Key, want string, ok func(kedatest.Status) bool) kedatest.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waittest.Patience)
	defer cancel()
	status, err := o.Await(ctx, key, want, ok)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func (o operator) awaitReplicas(t *testing.T, key kedatest.Key, n int) {
	t.Helper()
	o.await(t, key, fmt.Sprintf("%d replicas", n), func(s kedatest.Status) bool { return s.Replicas == n })
}

// awaitIdle waits until an object is made, its streams are open, and a poll has said that nothing is to do.
func (o operator) awaitIdle(t *testing.T, key kedatest.Key) kedatest.Status {
	t.Helper()
	return o.await(t, key, "streams, and a poll that works", func(s kedatest.Status) bool {
		return s.StreamsOpened > 0 && (s.SpecUpdates > 0 || s.SpecUnimplemented) && s.Polls > s.PollErrors && s.Replicas == 0
	})
}

// awaitPolls waits for so many more polls that worked.
func (o operator) awaitPolls(t *testing.T, key kedatest.Key, n int) kedatest.Status {
	t.Helper()
	good := func(s kedatest.Status) int { return s.Polls - s.PollErrors }
	before := good(o.Status(key))
	return o.await(t, key, "polls that work", func(s kedatest.Status) bool { return good(s) >= before+n })
}

// lastReplicas is the last time that an object's replicas became n.
func (o operator) lastReplicas(t *testing.T, key kedatest.Key, n int) kedatest.Event {
	t.Helper()
	var last kedatest.Event
	for _, e := range o.Timeline() {
		if e.Kind == kedatest.KindReplicas && e.Key == key && e.To == n {
			last = e
		}
	}
	if last.Time.IsZero() {
		t.Fatalf("%v never had %d replicas", key, n)
	}
	return last
}
