package natsclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// freePort is one where nobody listens, now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// TestServerComesLater dials before there is a server, and follows it down and up. Publishing fails while it is down.
func TestServerComesLater(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	c, err := natsclient.Dial(natsclient.Config{URL: fmt.Sprintf("nats://127.0.0.1:%d", port), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Await(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("await without a server: %v", err)
	}
	if err := c.Publish("a", nil); !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("publish without a server: %v", err)
	}
	srv := natstest.Start(t, natstest.Listen(), func(o *server.Options) { o.Port = port })
	if err := c.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	waittest.Eventually(t, func() error {
		if c.IsConnected() {
			return errors.New("connected to no server")
		}
		return nil
	})
	srv.Restart(t)
	waittest.Eventually(t, func() error {
		if err := c.Publish("a", nil); err != nil {
			return err
		}
		return c.Flush()
	})
}

// TestRun ends with its context, and with the connection.
func TestRun(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	c, err := natsclient.Connect(t.Context(), natsclient.Config{URL: srv.URL(), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	cancel()
	if err := waittest.Receive(t, done); err != nil {
		t.Errorf("run: %v", err)
	}
	go func() { done <- c.Run(t.Context()) }()
	c.Close()
	if err := waittest.Receive(t, done); err == nil {
		t.Error("run outlives the connection")
	}
}

// TestRefused ends at a server that does not want us: waiting would change nothing.
func TestRefused(t *testing.T) {
	t.Parallel()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, Username: "user", Password: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(srv.WaitForShutdown)
	t.Cleanup(srv.Shutdown)
	_, err = natsclient.Connect(t.Context(), natsclient.Config{URL: srv.ClientURL(), Name: "test"})
	if err == nil || !strings.Contains(err.Error(), "connect to NATS: nats: Authorization Violation") {
		t.Errorf("connect: %v", err)
	}
}

// TestBadFiles names what is wrong with certificates, without waiting for a server.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]natsclient.Config{
		"does/not/cert": {More: []nats.Option{nats.ClientCert("/does/not/cert", "/does/not/key")}},
		"does/not/ca":   {CA: "/does/not/ca"},
	} {
		cfg.URL = "nats://127.0.0.1:1"
		if _, err := natsclient.Dial(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
