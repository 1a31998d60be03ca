package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/access"
	"github.com/pelton-dev/pelton/internal/bridge"
	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/certs"
	"github.com/pelton-dev/pelton/internal/lifecycle"
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/probes"
	"github.com/pelton-dev/pelton/internal/program"
)

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
	}, lifecycle.Actor{Name: "health", Run: p.health.Run}, lifecycle.Actor{Name: "bridge", Run: p.serve})
}

// parts are what the program is made of.
type parts struct {
	settings settings
	log      *zap.Logger
	nc       *natsclient.Conn
	catalog  *catalog.Catalog
	access   *access.Gate // nil asks nobody
	certs    *certs.Store // nil without TLS
	bridge   *bridge.Server
	routes   *routes
	health   *probes.Server
}

// build makes all parts. They listen, and none of them waits for NATS.
func (p *parts) build(ctx context.Context, registry *prometheus.Registry) error {
	var err error
	if p.catalog, err = catalog.New(p.nc.Conn, catalog.Config{Logger: p.log.Named("catalog")}); err != nil {
		return err
	}
	if err := p.buildBridge(ctx, registry); err != nil {
		return err
	}
	if p.routes, err = newRoutes(p, registry); err != nil {
		return err
	}
	p.health, err = probes.Listen(probes.Config{Address: p.settings.health, Metrics: registry, Waiting: "it starts", Logger: p.log})
	if err != nil {
		return fmt.Errorf("PELTON_HEALTH_ADDRESS (off = none): %w", err)
	}
	return nil
}

func (p *parts) buildBridge(ctx context.Context, registry *prometheus.Registry) error {
	s := p.settings
	cfg := bridge.Config{
		Conn: p.nc.Conn, Address: s.address, Insecure: s.insecure, Hosts: s.hosts, TrustedOrigins: s.origins,
		TrustForwarded: s.trustForwarded,
		// An address is a proxy's more often than a caller's.
		MaxConns: int(s.maxConns), MaxConnsPerIP: -1, DrainTimeout: s.drain, KeepResults: s.keep, Metrics: registry, Logger: p.log.Named("http"),
	}
	var err error
	if s.tokens != "" || s.access != "" {
		p.access, err = access.Open(access.Config{Tokens: s.tokens, Policy: s.access, Metrics: registry, Logger: p.log.Named("access")})
		if err != nil {
			return fmt.Errorf("PELTON_TOKENS, PELTON_ACCESS: %w", err)
		}
		cfg.Access = p.access
	}
	if len(cfg.Hosts) == 0 && p.access != nil && p.access.Asks() {
		cfg.Hosts = []string{"*"} // a web page that points a name of its own here has no token
	}
	if s.tlsDir != "" {
		p.certs, err = certs.Open(certs.Config{
			Dir: s.tlsDir, NoClients: true, Protocols: []string{"http/1.1"}, Metrics: registry, Logger: p.log.Named("certs"),
		})
		if err != nil {
			return fmt.Errorf("PELTON_TLS_DIR: %w", err)
		}
		cfg.TLS = p.certs.Server()
	}
	if s.insecure {
		p.log.Warn("nobody is asked who he is: anyone who reaches the port can run any function")
	}
	if p.bridge, err = bridge.New(cfg); err != nil {
		return err
	}
	if err := p.bridge.Listen(ctx); err != nil {
		return fmt.Errorf("PELTON_HTTP_ADDRESS: %w", err)
	}
	p.log.Info("HTTP is served", zap.Stringer("address", p.bridge.Addr()), zap.Bool("tls", p.certs != nil))
	return nil
}

// serve runs everything until ctx ends. Requests go on for the delay: who sends them learns only after a while that this replica is
// not ready any more.
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
		{Name: "catalog", Run: p.connected(p.catalog.Run)},
		{Name: "routes", Run: p.routes.run},
		{Name: "HTTP", Run: func(ctx context.Context) error {
			defer context.AfterFunc(ctx, func() { time.AfterFunc(p.settings.delay, stop) })()
			return p.bridge.Run(serving)
		}},
	}
	if p.access != nil {
		actors = append(actors, lifecycle.Actor{Name: "access", Run: p.access.Run})
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

// unready says why nothing should be sent here, or nil.
func (p *parts) unready(ctx context.Context) error {
	down := p.nc.Down()
	switch {
	case ctx.Err() != nil:
		return errors.New("it drains")
	case down != "":
		return errors.New(down)
	default:
		return p.catalog.Ready()
	}
}
