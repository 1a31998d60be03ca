package e2e

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// broker is the NATS server, where pods reach it.
type broker struct {
	options server.Options
	server  *server.Server
	nc      *nats.Conn
	js      jetstream.JetStream
}

// startBroker starts a server that stores below dir.
func startBroker(host, dir string) (*broker, error) {
	b := &broker{options: server.Options{
		Host: host, Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true,
	}}
	if err := b.start(); err != nil {
		return nil, err
	}
	b.options.Port = b.server.Addr().(*net.TCPAddr).Port // the same after a restart
	nc, err := nats.Connect(b.url(), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	b.nc = nc
	if b.js, err = jetstream.New(nc); err != nil {
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	return b, nil
}

func (b *broker) url() string { return b.server.ClientURL() }

func (b *broker) start() error {
	options := b.options
	srv, err := server.NewServer(&options)
	if err != nil {
		return fmt.Errorf("make NATS server: %w", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		return errors.New("start NATS server: not ready after 30 s")
	}
	b.server = srv
	return nil
}

// restart stops the server and starts it on what it has stored.
func (b *broker) restart() error {
	b.server.Shutdown()
	b.server.WaitForShutdown()
	return b.start()
}

func (b *broker) close() {
	b.nc.Close()
	b.server.Shutdown()
	b.server.WaitForShutdown()
}
