package main

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/pelton-dev/pelton/internal/controller"
	"github.com/pelton-dev/pelton/internal/lifecycle"
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/probes"
	"github.com/pelton-dev/pelton/internal/program"
)

// run works until ctx ends.
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
	controller.UseLogger(log.Named("kubernetes"))
	cluster, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return fmt.Errorf("read how to reach the cluster (KUBECONFIG, or the account of a pod): %w", err)
	}
	s.nats.Logger = log.Named("nats")
	nc, err := natsclient.Dial(s.nats)
	if err != nil {
		return err
	}
	defer nc.Close()
	s.controller.NATS, s.controller.Logger = nc.Conn, log.Named("controller")
	c, err := controller.New(cluster, s.controller)
	if err != nil {
		return err
	}
	health, err := probes.Listen(probes.Config{
		// The libraries for Kubernetes have a registry of their own, with the metrics of Go in it.
		Address: s.health, Metrics: prometheus.Gatherer(metrics.Registry), Waiting: "it starts", Logger: log,
	})
	if err != nil {
		return fmt.Errorf("PELTON_HEALTH_ADDRESS (off = none): %w", err)
	}
	health.ReadyWhen(func() string { return unready(ctx, c, nc) })
	return lifecycle.Run(ctx, func(e lifecycle.Exit) {
		log.Info("stopping", zap.String("first", e.Name), zap.Error(e.Err))
	}, lifecycle.Actor{Name: "health", Run: health.Run}, lifecycle.Actor{Name: "work", Run: func(ctx context.Context) error {
		defer health.Close()
		return lifecycle.Run(ctx, nil, lifecycle.Actor{Name: "NATS", Run: nc.Run}, lifecycle.Actor{Name: "controller", Run: c.Run})
	}})
}

// unready says why Functions are not brought to what they should be now, or "".
func unready(ctx context.Context, c *controller.Controller, nc *natsclient.Conn) string {
	if ctx.Err() != nil {
		return "it ends"
	}
	if err := c.Ready(); err != nil {
		return err.Error()
	}
	return nc.Down()
}
