package natsclient_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestServerComesLater dials before there is a server, and follows it down and up. Publishing fails while it is down.
func TestServerComesLater(t *testing.T) {
	t.Parallel()
	port := testenv.HoldPort(t)
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

// guarded starts a server at a port that wants a password, and waits for it as long as a busy machine may need.
func guarded(t *testing.T, port int, password string) *server.Server {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, Username: "user", Password: password, AuthTimeout: 60,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(srv.WaitForShutdown)
	t.Cleanup(srv.Shutdown)
	return srv
}

// TestRefused ends at a server that does not want us, be it there at once or later: whoever started us shall see it.
func TestRefused(t *testing.T) {
	t.Parallel()
	_, err := natsclient.Connect(t.Context(), natsclient.Config{
		URL: guarded(t, testenv.HoldPort(t), "secret").ClientURL(), Name: "test",
	})
	if err == nil || !strings.Contains(err.Error(), "connect to NATS: nats: Authorization Violation") {
		t.Errorf("connect: %v", err)
	}
	port := testenv.HoldPort(t)
	c, err := natsclient.Dial(natsclient.Config{URL: fmt.Sprintf("nats://127.0.0.1:%d", port), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	guarded(t, port, "secret")
	if err := c.Run(t.Context()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("run: %v", err)
	}
}

// TestRenewedCredentials loses a connection to a server that has a new password, is refused again and again, and comes back
// once the password is what the server wants.
func TestRenewedCredentials(t *testing.T) {
	t.Parallel()
	var password atomic.Value
	password.Store("first")
	core, logs := observer.New(zap.InfoLevel)
	port := testenv.HoldPort(t)
	srv := guarded(t, port, "first")
	tries := atomic.Int64{}
	c, err := natsclient.Connect(t.Context(), natsclient.Config{
		URL: srv.ClientURL(), Name: "test", Logger: zap.New(core),
		More: []nats.Option{nats.UserInfoHandler(func() (string, string) {
			tries.Add(1)
			return "user", password.Load().(string)
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	srv.Shutdown()
	srv.WaitForShutdown()
	guarded(t, port, "second")
	waittest.Eventually(t, func() error {
		if n, down := tries.Load(), c.Down(); n < 5 || !strings.Contains(down, "it refuses the credentials: nats: Authorization") {
			return fmt.Errorf("%d tries, %q", n, down)
		}
		return nil
	})
	password.Store("second")
	waittest.Eventually(t, func() error {
		if down := c.Down(); down != "" {
			return errors.New(down)
		}
		return c.Flush()
	})
	if n := logs.FilterMessage("connection in trouble").Len(); n != 1 {
		t.Errorf("the same trouble was logged %d times", n)
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
