package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// drain works off a stored backlog with an instant handler, the bare loop and Pelton by turns.
func drain(ctx context.Context, r *rig, t *table) error {
	type lane struct {
		t            transport
		fn           *function.Function
		loop, pelton []drained
		lean         []drained // of the leanest loop, where there is one
	}
	var lanes []*lane
	for _, tr := range transports() {
		if r.opts.transport == "" || r.opts.transport == tr.name {
			lanes = append(lanes, &lane{t: tr})
		}
	}
	if err := r.preload(ctx, "events.bench.drain"); err != nil {
		return err
	}
	for round := range r.opts.rounds {
		for _, l := range lanes {
			name := fmt.Sprintf("drain-%s-%d", strings.ReplaceAll(l.t.name, " ", "-"), round)
			l.fn = newFunction(name, l.t, "events.bench.drain")
			d, err := r.drainOnce(ctx, l.fn, func(consumer string) (workers, error) { return r.startLoop(l.t, consumer) })
			if err != nil {
				return fmt.Errorf("bare loop, %s: %w", l.t.name, err)
			}
			l.loop = append(l.loop, d)
			d, err = r.drainOnce(ctx, l.fn, func(string) (workers, error) { return r.startSidecar(l.t, l.fn) })
			if err != nil {
				return fmt.Errorf("pelton, %s: %w", l.t.name, err)
			}
			l.pelton = append(l.pelton, d)
			if l.t.lean == "" {
				continue
			}
			leanest := l.t
			leanest.loop = l.t.lean
			d, err = r.drainOnce(ctx, l.fn, func(consumer string) (workers, error) { return r.startLoop(leanest, consumer) })
			if err != nil {
				return fmt.Errorf("leanest loop, %s: %w", l.t.name, err)
			}
			l.lean = append(l.lean, d)
		}
	}
	for _, l := range lanes {
		row := func(what, goal, format string, of func(drained) float64) {
			limit, ours := medianOf(l.loop, of), medianOf(l.pelton, of)
			t.add(what, fmt.Sprintf(format, limit), fmt.Sprintf(format, ours), fmt.Sprintf("%.2f", ours/limit), goal)
		}
		row("drain, "+l.t.name+", events/s", "0.80 or more", "%.0f", func(d drained) float64 { return d.rate })
		row("  sidecar CPU, µs/event", "18 µs on the unix socket", "%.1f", func(d drained) float64 { return d.feeder })
		row("  handler CPU, µs/event", "", "%.1f", func(d drained) float64 { return d.handler })
		row("  server CPU, µs/event", "", "%.1f", func(d drained) float64 { return d.server })
		row("  all CPU, µs/event", "", "%.1f", func(d drained) float64 { return d.feeder + d.handler + d.server })
		if l.lean != nil {
			l.loop = l.lean
			row("  against two goroutines for all calls, events/s", "", "%.0f", func(d drained) float64 { return d.rate })
		}
	}
	return nil
}

// drained is one run: events per second, and processor time in µs per event.
type drained struct{ rate, feeder, handler, server float64 }

func medianOf[T any](runs []T, of func(T) float64) float64 {
	xs := make([]float64, len(runs))
	for i, d := range runs {
		xs[i] = of(d)
	}
	return median(xs)
}

// preload stores the events once; every consumer reads them anew.
func (r *rig) preload(ctx context.Context, subject string) error {
	js, err := jetstream.New(r.nc, jetstream.WithPublishAsyncMaxPending(1024))
	if err != nil {
		return err
	}
	data := []byte(`{"padding":"` + strings.Repeat("x", 256-14) + `"}`)
	for i := range r.opts.events {
		if _, err := js.PublishMsgAsync(benchEvent(subject, i, data), jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func benchEvent(subject string, i int, data []byte) *nats.Msg {
	return &nats.Msg{Subject: subject, Data: data, Header: nats.Header{
		"ce-specversion": {"1.0"}, "ce-id": {fmt.Sprintf("bench-%d", i)}, "ce-source": {"/bench"}, "ce-type": {"bench.made"},
		"ce-datacontenttype": {"application/json"}, "ce-time": {"2026-01-02T03:04:05Z"},
	}}
}

// drainOnce lets a feeder work off everything that a fresh consumer holds, from its process start on.
func (r *rig) drainOnce(ctx context.Context, fn *function.Function,
	start func(consumer string) (workers, error),
) (drained, error) {
	c, err := r.freshConsumers(ctx, fn)
	if err != nil {
		return drained{}, err
	}
	began, before := time.Now(), r.server.cpu()
	w, err := start(c.CachedInfo().Name)
	if err != nil {
		return drained{}, err
	}
	defer w.stop()
	err = await(ctx, "drain", 2*time.Minute, func() (bool, error) {
		info, err := c.Info(ctx)
		return err == nil && info.NumPending == 0 && info.NumAckPending == 0, err
	})
	if err != nil {
		return drained{}, err
	}
	took := time.Since(began)
	perEvent := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(r.opts.events) }
	return drained{
		rate:   float64(r.opts.events) / took.Seconds(),
		feeder: perEvent(w.feeder.cpu()), handler: perEvent(w.handler.cpu()), server: perEvent(r.server.cpu() - before),
	}, nil
}

// freshConsumers makes the consumers of fn anew, the event consumer from the beginning of the stream.
func (r *rig) freshConsumers(ctx context.Context, fn *function.Function) (jetstream.Consumer, error) {
	for _, c := range stream.ConsumersOf(fn) {
		_ = r.js.DeleteConsumer(ctx, c.Stream, c.Name) // there is none the first time
	}
	cs, err := stream.EnsureFunction(ctx, r.js, fn)
	if err != nil {
		return nil, err
	}
	c, err := r.js.Consumer(ctx, cs[0].Stream, cs[0].Name)
	if err != nil {
		return nil, err
	}
	cfg := c.CachedInfo().Config
	if err := r.js.DeleteConsumer(ctx, cs[0].Stream, cs[0].Name); err != nil {
		return nil, err
	}
	cfg.DeliverPolicy = jetstream.DeliverAllPolicy
	return r.js.CreateConsumer(ctx, cs[0].Stream, cfg)
}
