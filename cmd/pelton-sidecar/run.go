package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

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
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/probes"
	"github.com/pelton-dev/pelton/internal/program"
	"github.com/pelton-dev/pelton/internal/sidecar"
)

// run serves until ctx ends, and then drains.
func run(ctx context.Context, getenv func(string) string) error {
	started := time.Now()
	s, err := readSettings(getenv)
	if err != nil {
		return err
	}
	log, err := program.NewLogger(s.level)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }()
	inv, err := newInvoker(s)
	if err != nil {
		return err
	}
	defer func() { _ = inv.Close() }()
	registry := prometheus.NewRegistry()
	metrics, err := sidecar.NewMetrics(registry)
	if err != nil {
		return err
	}
	rests := &restPage{}
	h, err := probes.Listen(probes.Config{
		Address: s.health, Metrics: registry, Waiting: "NATS has not been connected yet", Logger: log,
		Handlers: map[string]http.Handler{"GET " + sidecar.RestingPath: rests},
	})
	if err != nil {
		return fmt.Errorf("PELTON_HEALTH_ADDRESS (off = none): %w", err)
	}
	d := &deliverer{settings: s, inv: inv, log: log, health: h, rests: rests, metrics: metrics, started: started}
	return lifecycle.Run(ctx, func(e lifecycle.Exit) {
		log.Info("stopping", zap.String("first", e.Name), zap.Error(e.Err))
	}, lifecycle.Actor{Name: "health", Run: h.Run}, lifecycle.Actor{Name: "delivery", Run: d.Run})
}

// deliverer is what delivers, once NATS is there.
type deliverer struct {
	settings settings
	inv      invoke.Invoker
	log      *zap.Logger
	health   *probes.Server
	rests    *restPage
	metrics  *sidecar.Metrics
	started  time.Time
}

// Run connects, makes the streams and consumers, delivers until ctx ends, and drains.
func (d *deliverer) Run(ctx context.Context) error {
	defer d.health.Close()
	s := d.settings
	s.nats.Logger = d.log
	nc, err := natsclient.Connect(ctx, s.nats)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc.Conn)
	if err != nil {
		return fmt.Errorf("make JetStream context: %w", err)
	}
	if s.provision {
		if err := provision(ctx, nc.Conn, js, s.function); err != nil {
			return err
		}
		leave := background(ctx, func(ctx context.Context) error { return enter(ctx, js, s.function, d.log) })
		defer leave()
	}
	records := ledger.NewWriter(js, ledger.WriterConfig{Logger: d.log.Named("ledger")})
	sc, err := sidecar.New(nc.Conn, d.inv, sidecar.Config{
		Function: s.function, Replica: s.replica, StartedAt: d.started, DrainTimeout: s.drain, TellBusy: s.tellBusy,
		Recorder: records, Metrics: d.metrics, Logger: d.log.Named("sidecar"),
	})
	if err != nil {
		return err
	}
	go func() {
		select {
		case <-sc.Ready():
			releaseStartPages()
		case <-ctx.Done():
		}
	}()
	stopRecords := background(ctx, records.Run)
	defer stopRecords()
	nc.OnRenewal(sc.Reconnect)
	d.rests.of.Store(sc)
	d.health.ReadyWhen(func() string { return unready(ctx, sc, nc) })
	return lifecycle.Run(ctx, nil, lifecycle.Actor{Name: "sidecar", Run: sc.Run}, lifecycle.Actor{Name: "NATS", Run: nc.Run})
}

// unready says why no events are delivered now, or "".
func unready(ctx context.Context, sc *sidecar.Sidecar, nc *natsclient.Conn) string {
	if ctx.Err() != nil {
		return "it drains"
	}
	select {
	case <-sc.Ready():
	default:
		return "the handler has not been ready yet"
	}
	if sc.Paused() {
		return "the handler does not listen"
	}
	if down := nc.Down(); down != "" {
		return down
	}
	return sc.Refusal()
}

// background runs what must outlive ctx, and returns what ends it and waits.
func background(ctx context.Context, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		_ = run(ctx) // delivery goes on without it
		close(done)
	}()
	return func() {
		cancel()
		<-done
	}
}

func newInvoker(s settings) (invoke.Invoker, error) {
	h := s.function.Spec.Handler
	switch h.Protocol {
	case function.ProtocolStream:
		return streamcall.Listen(streamcall.Config{
			Socket: s.address, Replica: s.replica,
			Function: s.function.Metadata.Name, Namespace: s.function.Metadata.Namespace,
			Batches: s.function.Spec.Batch != nil,
		})
	case function.ProtocolExec:
		return execcall.New(execcall.Config{Command: h.Command, Env: handlerEnv(s), Stderr: os.Stderr})
	case function.ProtocolCloudEvents, function.ProtocolHTTP:
		return httpcall.New(httpcall.Config{
			Network: s.network, Address: s.address, Plain: h.Protocol == function.ProtocolHTTP, MaxIdle: s.function.Spec.Concurrency,
		})
	default:
		return nil, fmt.Errorf("spec.handler.protocol: %q is not one that this sidecar speaks", h.Protocol)
	}
}

// secondHand is in front of the names of variables that are the handler's and come from secrets or config maps: only who starts
// the sidecar can read those.
const secondHand = "PELTON_HANDLER_ENV_"

// handlerEnv is our own environment and the manifest's. What is ours in it is not for handlers: it says how to reach NATS.
func handlerEnv(s settings) []string {
	env := []string{
		"PELTON_FUNCTION=" + s.function.Metadata.Name, "PELTON_NAMESPACE=" + s.function.Metadata.Namespace,
		"PELTON_REPLICA=" + s.replica, "PELTON_PROTOCOL=" + string(s.function.Spec.Handler.Protocol),
	}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PELTON_") && !strings.HasPrefix(kv, "NATS_") {
			env = append(env, kv)
		}
	}
	for _, v := range s.function.Spec.Handler.Env {
		value := v.Value
		if v.ValueFrom != nil {
			var set bool
			if value, set = os.LookupEnv(secondHand + v.Name); !set {
				continue // it is optional, or the pod would not have started
			}
		}
		env = append(env, v.Name+"="+value)
	}
	return env
}
