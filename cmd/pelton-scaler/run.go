package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/certs"
	"github.com/pelton-dev/pelton/internal/lifecycle"
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/probes"
	"github.com/pelton-dev/pelton/internal/program"
	"github.com/pelton-dev/pelton/internal/rpcserver"
	"github.com/pelton-dev/pelton/internal/wake"
	"github.com/pelton-dev/pelton/scalers"
)

// probeExpires is how long a probe is parked. Only one server knows of it if the stream has one replica: should that server be
// killed, the next probe tells what it would have told. 10,000 functions come to 333 probes a second.
const probeExpires = time.Minute

// run serves until ctx ends, and then drains.
func run(ctx context.Context, getenv func(string) string) error {
	s, err := readSettings(getenv)
	if err != nil {
		return err
	}
	log, err := program.NewLogger(s.level)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.nats.Logger = log.Named("nats")
	nc, err := natsclient.Dial(s.nats)
	if err != nil {
		return err
	}
	defer nc.Close()
	p := &parts{settings: s, log: log, nc: nc}
	if err := p.build(ctx, registry); err != nil {
		return err
	}
	return lifecycle.Run(ctx, func(e lifecycle.Exit) {
		log.Info("stopping", zap.String("first", e.Name), zap.Error(e.Err))
	}, lifecycle.Actor{Name: "health", Run: p.health.Run}, lifecycle.Actor{Name: "scaler", Run: p.serve})
}

// parts are what the program is made of.
type parts struct {
	settings settings
	log      *zap.Logger
	nc       *natsclient.Conn
	watcher  *wake.Watcher
	catalog  *catalog.Catalog
	scaler   *scalers.Scaler
	certs    *certs.Store // nil without TLS
	rpc      *rpcserver.Server
	health   *probes.Server
}

// build makes all parts. They listen, and none of them waits for NATS.
func (p *parts) build(ctx context.Context, registry *prometheus.Registry) error {
	if err := p.buildScaler(); err != nil {
		return err
	}
	if err := p.buildServer(registry); err != nil {
		return err
	}
	ready := func() bool { return p.unready(ctx) == nil }
	err := registerCounts(registry, p.scaler.Counts, ready)
	if err != nil {
		return err
	}
	p.health, err = probes.Listen(probes.Config{
		Address: p.settings.health, Metrics: registry, Handlers: decisionHandlers(p.scaler, p.settings.decisions),
		Waiting: "it starts", Logger: p.log,
	})
	if err != nil {
		return fmt.Errorf("PELTON_HEALTH_ADDRESS (off = none): %w", err)
	}
	return nil
}

func (p *parts) buildScaler() error {
	var err error
	// Workers are pods that we cannot see: what they are about to take counts, too.
	p.watcher, err = wake.New(p.nc.Conn, wake.Config{
		AllWork: true, ProbeExpires: probeExpires, Logger: p.log.Named("wake"),
	})
	if err != nil {
		return err
	}
	if p.catalog, err = catalog.New(p.nc.Conn, catalog.Config{Logger: p.log.Named("catalog")}); err != nil {
		return err
	}
	p.scaler, err = scalers.New(scalers.Config{
		Watcher: p.watcher, Catalog: p.catalog, StopTimeout: p.settings.drain, Logger: p.log.Named("scaler"),
	})
	return err
}

func (p *parts) buildServer(registry *prometheus.Registry) error {
	cfg := rpcserver.Config{
		Address: p.settings.address, MaxStreams: p.settings.maxStreams, StopTimeout: p.settings.drain,
		Metrics: registry, Logger: p.log.Named("grpc"),
	}
	if dir := p.settings.tlsDir; dir != "" {
		var err error
		p.certs, err = certs.Open(certs.Config{
			Dir: dir, Protocols: []string{"h2"}, Metrics: registry, Logger: p.log.Named("certs"),
		})
		if err != nil {
			return fmt.Errorf("PELTON_TLS_DIR: %w", err)
		}
		cfg.TLS = p.certs.Server()
	} else if p.settings.insecure {
		p.log.Warn("gRPC is served without TLS: anyone who reaches the port can read the depth of any queue")
	}
	var err error
	if p.rpc, err = rpcserver.Listen(cfg); err != nil {
		return fmt.Errorf("PELTON_SCALER_ADDRESS: %w", err)
	}
	p.scaler.Register(p.rpc.Server)
	return nil
}

// serve runs everything until ctx ends. The scaler ends all streams then, and only after that the server stops: KEDA tells a
// clean end from a lost connection.
func (p *parts) serve(ctx context.Context) error {
	defer p.health.Close()
	p.health.ReadyWhen(func() string {
		if err := p.unready(ctx); err != nil {
			return err.Error()
		}
		return ""
	})
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	actors := []lifecycle.Actor{
		{Name: "NATS", Run: p.nc.Run},
		{Name: "wake", Run: p.connected(p.watcher.Run)},
		{Name: "catalog", Run: p.connected(p.catalog.Run)},
		{Name: "gRPC", Run: func(context.Context) error {
			return p.rpc.Run(serving, func() error { return p.unready(ctx) })
		}},
		{Name: "streams", Run: func(ctx context.Context) error {
			defer stop()
			defer context.AfterFunc(ctx, func() { time.AfterFunc(p.settings.drain, p.rpc.Stop) })() // both stops share one timeout
			return p.scaler.Run(ctx)
		}},
	}
	if p.certs != nil {
		actors = append(actors, lifecycle.Actor{Name: "certificates", Run: p.certs.Run})
	}
	return lifecycle.Run(ctx, nil, actors...)
}

// connected runs a part once NATS is there. That it never comes is for the actor NATS to tell.
func (p *parts) connected(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if p.nc.Await(ctx) != nil {
			<-ctx.Done()
			return nil
		}
		return run(ctx)
	}
}

// unready says why KEDA is not told what waits, or nil.
func (p *parts) unready(ctx context.Context) error {
	down := p.nc.Down()
	switch {
	case ctx.Err() != nil:
		return errors.New("it drains")
	case down != "":
		return errors.New(down)
	default:
		return p.scaler.Ready()
	}
}
