// Package natstest gives a test a real embedded NATS server with JetStream.
//
// The server keeps its store in the test's temporary directory, is reached in process unless Listen is given, and is gone
// when the test ends: connections first, then the server.
package natstest

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/testenv"
)

// Server is a running NATS server that belongs to one test.
type Server struct {
	opts *server.Options
	auth []nats.Option // how the test itself gets in

	mu  sync.Mutex
	srv *server.Server // the one that runs, or ran last
}

func (s *Server) current() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.srv
}

// Option changes how the server is started.
type Option func(*server.Options)

// Listen makes the server listen on a loopback port of its own, for tests in which another process connects. The port stays
// the server's through a Restart.
func Listen() Option {
	return func(o *server.Options) { o.DontListen, o.Port = false, server.RANDOM_PORT }
}

// StoreDir keeps the store in dir, so that a test can start a second server on what a first one left.
func StoreDir(dir string) Option { return func(o *server.Options) { o.StoreDir = dir } }

// SyncAlways syncs every write, as the one-machine mode does.
func SyncAlways() Option { return func(o *server.Options) { o.SyncAlways = true } }

// Start runs a server until the test ends. JetStream answers when Start returns.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	return StartAs(t, nil, options...)
}

// StartAs is Start for a server that asks who comes. Connections of the test get in by auth, unless they are given another way.
func StartAs(t testing.TB, auth []nats.Option, options ...Option) *Server {
	t.Helper()
	o := &server.Options{
		ServerName: "natstest", Host: "127.0.0.1", DontListen: true,
		JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	}
	for _, option := range options {
		option(o)
	}
	if !o.DontListen && o.Port == server.RANDOM_PORT {
		o.Port = testenv.HoldPort(t)
	}
	s := &Server{opts: o, auth: auth}
	s.start(t)
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	srv, err := server.NewServer(s.opts)
	if err != nil {
		t.Fatalf("make nats server: %v", err)
	}
	srv.Start()
	s.mu.Lock()
	s.srv = srv
	s.mu.Unlock()
	if !s.opts.DontListen && !srv.ReadyForConnections(30*time.Second) {
		t.Fatal("nats server is not ready after 30s")
	}
	s.awaitJetStream(t)
}

// awaitJetStream asks until JetStream answers: the account is ready a moment after the server is.
func (s *Server) awaitJetStream(t testing.TB) {
	t.Helper()
	nc, err := s.dial()
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("jetstream: %v", err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := js.AccountInfo(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("jetstream is not ready: %v", err)
		}
	}
}

func (s *Server) dial(options ...nats.Option) (*nats.Conn, error) {
	base := []nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(50 * time.Millisecond),
	}
	if s.opts.DontListen {
		base = append(base, nats.InProcessServer(s))
	}
	options = slices.Concat(base, s.auth, options)
	for deadline := time.Now().Add(30 * time.Second); ; {
		nc, err := nats.Connect(s.URL(), options...)
		if err == nil || time.Now().After(deadline) { // a busy machine may not greet us within the client's 2 s
			return nc, err
		}
	}
}

// Conn connects, and closes the connection when the test ends. Publishes are not buffered while it is down.
func (s *Server) Conn(t testing.TB, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := s.dial(options...)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// JetStream connects and returns the JetStream context of the connection. Its requests have more than the client's 5 s, which
// a busy machine may need.
func (s *Server) JetStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.Conn(t), jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		t.Fatalf("jetstream: %v", err)
	}
	return js
}

// InProcessConn makes s an in-process server for nats.InProcessServer, also after a Restart.
func (s *Server) InProcessConn() (net.Conn, error) { return s.current().InProcessConn() }

// URL is where the server listens; it is of use only with Listen.
func (s *Server) URL() string { return s.current().ClientURL() }

// Raw is the server that runs now.
func (s *Server) Raw() *server.Server { return s.current() }

// Stop shuts the server down and waits for it. It is idempotent.
func (s *Server) Stop() {
	srv := s.current()
	awaitRequests(srv)
	srv.Shutdown()
	srv.WaitForShutdown()
}

// awaitRequests waits, not for long, until the server has done what it was asked for: a stream that it makes while it shuts down
// would be left with a goroutine that nobody ends.
func awaitRequests(srv *server.Server) {
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		info, err := srv.Jsz(nil)
		if err != nil || info.API.Inflight == 0 {
			return
		}
	}
}

// Restart stops the server and starts it again on the same store and, if it listens, the same port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	s.start(t)
}
