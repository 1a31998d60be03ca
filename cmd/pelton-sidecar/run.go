package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
	"github.com/pelton-dev/pelton/internal/invoke/streamcall"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/lifecycle"
	"github.com/pelton-dev/pelton/internal/sidecar"
	"github.com/pelton-dev/pelton/internal/stream"
)

// run serves until ctx ends, and then drains.
func run(ctx context.Context, getenv func(string) string) error {
	started := time.Now()
	s, err := readSettings(getenv)
	if err != nil {
		return err
	}
	log, err := newLogger(s)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }()
	inv, err := newInvoker(s)
	if err != nil {
		return err
	}
	defer func() { _ = inv.Close() }()
	nc, err := connect(ctx, s, log)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("make JetStream context: %w", err)
	}
	if s.provision {
		if err := provision(ctx, nc, js, s.function); err != nil {
			return err
		}
	}
	registry := prometheus.NewRegistry()
	metrics, err := sidecar.NewMetrics(registry)
	if err != nil {
		return err
	}
	records := ledger.NewWriter(js, ledger.WriterConfig{Logger: log.Named("ledger")})
	sc, err := sidecar.New(nc, inv, sidecar.Config{
		Function: s.function, Replica: s.replica, StartedAt: started, DrainTimeout: s.drain,
		Recorder: records, Metrics: metrics, Logger: log.Named("sidecar"),
	})
	if err != nil {
		return err
	}
	go func() {
		select {
		case <-sc.Ready():
			releaseStartCode()
		case <-ctx.Done():
		}
	}()
	stopRecords := background(ctx, records.Run)
	defer stopRecords()
	actors := []lifecycle.Actor{{Name: "sidecar", Run: sc.Run}}
	if s.health != "" {
		h, err := newHealth(s.health, sc, nc, registry)
		if err != nil {
			return err
		}
		actors = append(actors, lifecycle.Actor{Name: "health", Run: h.Run})
	}
	return lifecycle.Run(ctx, func(e lifecycle.Exit) {
		log.Info("stopping", zap.String("first", e.Name), zap.Error(e.Err))
	}, actors...)
}

// background runs what must outlive ctx, and returns what ends it and waits.
func background(ctx context.Context, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		_ = run(ctx) // run records are for people: losing them ends nothing
		close(done)
	}()
	return func() {
		cancel()
		<-done
	}
}

func newLogger(s settings) (*zap.Logger, error) {
	cfg := zap.NewProductionConfig()
	cfg.Level = zap.NewAtomicLevelAt(s.level)
	cfg.OutputPaths, cfg.Sampling = []string{"stderr"}, nil
	log, err := cfg.Build()
	if err != nil {
		return nil, fmt.Errorf("make logger: %w", err)
	}
	return log, nil
}

func newInvoker(s settings) (invoke.Invoker, error) {
	h := s.function.Spec.Handler
	switch h.Protocol {
	case function.ProtocolStream:
		return streamcall.Listen(streamcall.Config{
			Socket: s.address, Replica: s.replica,
			Function: s.function.Metadata.Name, Namespace: s.function.Metadata.Namespace,
		})
	case function.ProtocolExec:
		env := os.Environ()
		for _, v := range h.Env {
			env = append(env, v.Name+"="+v.Value)
		}
		return execcall.New(execcall.Config{Command: h.Command, Env: env, Stderr: os.Stderr})
	case function.ProtocolCloudEvents, function.ProtocolHTTP:
		return httpcall.New(httpcall.Config{
			Network: s.network, Address: s.address, Plain: h.Protocol == function.ProtocolHTTP, MaxIdle: s.function.Spec.Concurrency,
		})
	default:
		return nil, fmt.Errorf("spec.handler.protocol: %q is not one that this sidecar speaks", h.Protocol)
	}
}

// connect dials NATS and waits for the first connection; from then on it reconnects without end. Publishes are not buffered
// while it is down: a record must fail, not be stored some time later.
func connect(ctx context.Context, s settings, log *zap.Logger) (*nats.Conn, error) {
	connected := make(chan struct{}, 1)
	options := []nats.Option{
		nats.Name("pelton-sidecar " + s.function.Key().String() + " " + s.replica),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(*nats.Conn) { connected <- struct{}{} }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("connection is back", zap.String("server", nc.ConnectedUrlRedacted())) }),
	}
	if s.creds != "" {
		options = append(options, nats.UserCredentials(s.creds))
	}
	nc, err := nats.Connect(s.natsURL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	select {
	case <-connected:
		return nc, nil
	case <-ctx.Done():
		nc.Close()
		return nil, errors.New("connect to NATS: stopped before there was a connection")
	}
}

func provision(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, fn *function.Function) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := stream.Ensure(ctx, js, stream.Config{MaxPayload: nc.MaxPayload()}); err != nil {
		return err
	}
	_, err := stream.EnsureFunction(ctx, js, fn)
	return err
}
