package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestServerDownIsSaidAtOnce is L12: an event that was answered with an error is not stored when the server comes back.
func TestServerDownIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	b := serveOn(t, natstest.Start(t, maxPayload, natstest.Listen()))
	wantAccepted(t, b.post(t, "/events/x", "1"))
	b.nats.Stop()
	waittest.Eventually(t, func() error {
		if b.conn.IsConnected() {
			return errors.New("still connected")
		}
		return nil
	})
	for range 20 {
		wantProblem(t, b.post(t, "/events/x", "1"), http.StatusServiceUnavailable, "store-unavailable")
	}
	wantProblem(t, b.post(t, "/events/x", "["+document()+","+document("id", `"2"`)+"]", "Content-Type", batch), 503,
		"store-unavailable")
	b.nats.Restart(t)
	waittest.Eventually(t, func() error {
		if a := b.post(t, "/events/x", "1"); a.StatusCode != http.StatusAccepted {
			return errors.New(string(a.body))
		}
		return nil
	})
	waittest.Eventually(t, func() error { _, err := b.events.Info(t.Context()); return err })
	if n := b.count(t); n != 2 {
		t.Errorf("stored %d, want the first and the last", n)
	}
}

// TestSilentStore: a server that takes everything and says nothing costs each caller the store timeout and no more.
func TestSilentStore(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	// A plain subscription in place of the stream: it makes "no responders" go away and never answers.
	if _, err := nc.Subscribe("events.>", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	b := bareBridge(t, srv, func(c *Config) { c.StoreTimeout = 200 * time.Millisecond })
	answers := make(chan answer, 40)
	for range cap(answers) {
		go func() { answers <- b.post(t, "/events/x", "1") }()
	}
	for range cap(answers) {
		wantProblem(t, <-answers, http.StatusServiceUnavailable, "store-timeout")
	}
}

// bareBridge runs a bridge on a server without any stream.
func bareBridge(t *testing.T, srv *natstest.Server, change func(*Config)) *bridge {
	t.Helper()
	cfg := Config{Conn: srv.Conn(t), Address: "127.0.0.1:0"}
	change(&cfg)
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &bridge{Server: s, nats: srv, client: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
	b.run(t)
	return b
}

func TestNoStream(t *testing.T) {
	t.Parallel()
	b := bareBridge(t, natstest.Start(t), func(*Config) {})
	a := b.post(t, "/events/x", "1")
	wantProblem(t, a, http.StatusServiceUnavailable, "store-unavailable")
	if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || n < 1 || n > 5 {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}

func TestFullStream(t *testing.T) {
	t.Parallel()
	b := serve(t)
	js := b.nats.JetStream(t)
	cfg := b.events.CachedInfo().Config
	cfg.MaxMsgs = 3
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantAccepted(t, b.post(t, "/events/x", "1"))
	}
	// A batch with room for one only is refused as a whole.
	wantProblem(t, b.post(t, "/events/x", "["+document()+","+document("id", `"2"`)+"]", "Content-Type", batch), 503,
		"store-full")
	if n := b.count(t); n != 2 {
		t.Errorf("stored %d, want 2", n)
	}
	wantAccepted(t, b.post(t, "/events/x", "1"))
	wantProblem(t, b.post(t, "/events/x", "1"), http.StatusServiceUnavailable, "store-full")
	if err := b.events.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, b.post(t, "/events/x", "1"))
}

func TestStreamThatTakesSmallerMessages(t *testing.T) {
	t.Parallel()
	b := serve(t)
	cfg := b.events.CachedInfo().Config
	cfg.MaxMsgSize = 1000
	if _, err := b.nats.JetStream(t).UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, b.post(t, "/events/x", strings.Repeat("x", 1000)), http.StatusRequestEntityTooLarge, "event-too-large")
	b.unharmed(t, 0)
}

// TestRunningRequestsAreFinished: a drain answers what has begun, takes nothing new and ends.
func TestRunningRequestsAreFinished(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	asked := make(chan *nats.Msg, 1)
	if _, err := nc.Subscribe("events.>", func(m *nats.Msg) { asked <- m }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	b := bareBridge(t, srv, func(c *Config) { c.StoreTimeout = 30 * time.Second; c.DrainTimeout = 30 * time.Second })
	idle := b.dial(t)
	answered := make(chan answer, 1)
	go func() { answered <- b.post(t, "/events/x", "1") }()
	m := <-asked
	stopped := make(chan struct{})
	go func() { defer close(stopped); b.stop() }()
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("an idle connection was not closed")
	}
	waittest.Eventually(t, func() error {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			return nil
		}
		c.Close()
		return errors.New("still accepts connections")
	})
	if err := m.Respond([]byte(`{"stream":"EVENTS","seq":7}`)); err != nil {
		t.Fatal(err)
	}
	if got := wantAccepted(t, <-answered); got.Sequence != 7 {
		t.Errorf("got %+v", got)
	}
	<-stopped
}

// TestDrainEndsForCertain: requests that do not finish are cut after the drain timeout, and nothing is left behind.
func TestDrainEndsForCertain(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	asked := make(chan *nats.Msg, 1)
	if _, err := nc.Subscribe("events.>", func(m *nats.Msg) { asked <- m }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	conn := srv.Conn(t)
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Request("events.warm", nil, time.Millisecond); err == nil { // makes the connection's own goroutines
		t.Fatal("an answer")
	}
	<-asked
	ignore := goleak.IgnoreCurrent()

	s, err := New(Config{Conn: conn, Address: "127.0.0.1:0", StoreTimeout: time.Second, DrainTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	client := &http.Client{Transport: &http.Transport{}}
	cut := make(chan error, 1)
	go func() {
		resp, err := client.Post("http://"+s.Addr().String()+"/events/x", "text/plain", strings.NewReader("1"))
		if err == nil {
			resp.Body.Close()
		}
		cut <- err
	}()
	<-asked
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	<-cut
	client.CloseIdleConnections()
	waittest.NoLeaks(t, ignore)
}

func TestRunEndsWhenItsListenerFails(t *testing.T) {
	t.Parallel()
	l, err := Config{Address: "127.0.0.1:0", Token: ""}.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Conn: natstest.Start(t).Conn(t), Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := s.Run(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestPanicsBecomeProblems(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.ErrorLevel)
	b := serve(t, func(c *Config) {
		c.Logger = zap.New(core)
		c.Public = map[string]http.Handler{
			"/panic": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret of mine") }),
			"/late": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusOK)
				panic("too late")
			}),
		}
	})
	before := b.count(t)
	a := b.do(t, "GET", "/panic", "")
	wantProblem(t, a, http.StatusInternalServerError, "internal-error")
	if strings.Contains(string(a.body), "secret") {
		t.Errorf("answer tells what happened: %s", a.body)
	}
	if resp, err := b.client.Get(b.url + "/late"); err == nil {
		resp.Body.Close()
		t.Errorf("an answer that broke off looks whole: %d", resp.StatusCode)
	}
	if logs.Len() != 2 {
		t.Errorf("%d log lines, want 2", logs.Len())
	}
	b.unharmed(t, before)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	b := serve(t, func(c *Config) { c.Metrics = registry })
	for range 2 {
		wantAccepted(t, b.post(t, "/events/x", "1", "Idempotency-Key", "a"))
	}
	b.post(t, "/events/x", "["+document()+","+document("id", `"2"`)+"]", "Content-Type", batch)
	b.do(t, "GET", "/events/x", "")
	waittest.Eventually(t, func() error { // the last answer is counted after it is sent
		if testutil.ToFloat64(b.metrics.requests.WithLabelValues("405")) != 1 {
			return errors.New("not counted yet")
		}
		return nil
	})
	for name, got := range map[string][2]float64{
		"202":        {testutil.ToFloat64(b.metrics.requests.WithLabelValues("202")), 3},
		"events":     {testutil.ToFloat64(b.metrics.events), 4},
		"duplicates": {testutil.ToFloat64(b.metrics.duplicates), 1},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %v, want %v", name, got[0], got[1])
		}
	}
	if n, err := testutil.GatherAndCount(registry, "pelton_bridge_commit_events"); err != nil || n != 1 {
		t.Errorf("commit sizes: %d, %v", n, err)
	}
	if _, err := New(Config{Conn: b.conn, Address: "127.0.0.1:0", Metrics: registry}); err == nil {
		t.Error("metrics were registered twice")
	}
}

// TestProblemsAreLoggedWithoutSecrets: the log has what the answer leaves out, but never a token or a payload.
func TestProblemsAreLoggedWithoutSecrets(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	b := serve(t, func(c *Config) { c.Logger, c.Token = zap.New(core), testToken })
	b.post(t, "/events/x?access_token=canary-query", "canary-payload", "Authorization", "Bearer canary-header")
	b.post(t, "/events/x", "canary-payload", "Authorization", "Bearer canary-header")
	b.post(t, "/events/x", document("id", `""`, "data", `"canary-payload"`),
		append(tokenHeader(b), "Content-Type", structured)...)
	waittest.Eventually(t, func() error {
		if logs.Len() < 3 {
			return errors.New("not logged yet")
		}
		return nil
	})
	for _, entry := range logs.All() {
		line, err := json.Marshal(entry.ContextMap())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(line), "canary") || strings.Contains(string(line), testToken) {
			t.Errorf("log holds a secret: %s", line)
		}
	}
}

// BenchmarkPost is the whole way of an event over HTTP with synced writes, for 64 callers.
func BenchmarkPost(b *testing.B) {
	br := serveOn(b, natstest.Start(b, maxPayload, natstest.SyncAlways()), func(c *Config) { c.StoreTimeout = time.Minute })
	br.client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	var failed atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if br.post(b, "/events/x", `{"n":1}`).StatusCode != http.StatusAccepted {
				failed.Add(1)
			}
		}
	})
	if failed.Load() > 0 {
		b.Fatalf("%d failed", failed.Load())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
