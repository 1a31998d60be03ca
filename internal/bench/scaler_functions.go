package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// makeFunctions makes all functions, with what provisioning leaves behind of each: consumers, and an entry in the catalog.
// Provisioning itself lists all consumers for every function, which takes minutes at 10,000; so it makes the first one's,
// and the others get copies.
func (w *scalerWorld) makeFunctions(ctx context.Context, t *table) error {
	began := time.Now()
	if err := catalog.Ensure(ctx, w.js, 1); err != nil {
		return err
	}
	for i := range w.opts.functions {
		w.fns = append(w.fns, newFunction(fmt.Sprintf("idle-%d", i), transports()[0], wakeSubject(i)))
	}
	first, err := stream.EnsureFunction(ctx, w.js, w.fns[0])
	if err != nil {
		return err
	}
	var samples []jetstream.ConsumerConfig
	for _, c := range first {
		made, err := w.js.Consumer(ctx, c.Stream, c.Name)
		if err != nil {
			return err
		}
		samples = append(samples, made.CachedInfo().Config)
	}
	if err := w.copyFunctions(ctx, samples); err != nil {
		return err
	}
	what := fmt.Sprintf("  make %d functions with %d consumers, s", len(w.fns), len(w.fns)*len(first))
	t.add(what, "", fmt.Sprintf("%.1f", time.Since(began).Seconds()), "", "")
	return nil
}

func (w *scalerWorld) copyFunctions(ctx context.Context, samples []jetstream.ConsumerConfig) error {
	p := &progress{what: "functions made", of: int64(len(w.fns))}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, fn := range w.fns {
		group.Go(func() error {
			defer p.step()
			if err := w.copyConsumers(ctx, fn, samples); err != nil {
				return err
			}
			return catalog.Put(ctx, w.js, fn)
		})
	}
	return group.Wait()
}

func (w *scalerWorld) copyConsumers(ctx context.Context, fn *function.Function, samples []jetstream.ConsumerConfig) error {
	for i, c := range stream.ConsumersOf(fn) {
		cfg := samples[i]
		cfg.Name, cfg.Durable, cfg.FilterSubject, cfg.FilterSubjects = c.Name, c.Name, "", c.Filters
		cfg.Description = "Pelton: function " + fn.Key().String()
		if _, err := w.js.CreateOrUpdateConsumer(ctx, c.Stream, cfg); err != nil {
			return err
		}
	}
	return nil
}

// progress tells on stderr how far something is that takes long.
type progress struct {
	what  string
	of    int64
	count atomic.Int64
}

func (p *progress) step() {
	if n := p.count.Add(1); n%1000 == 0 {
		fmt.Fprintf(os.Stderr, "bench: %s: %d of %d\n", p.what, n, p.of)
	}
}
