package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/pelton-dev/pelton/internal/function"
)

// batchEvents is how many events a call has at most in this part.
const batchEvents = 100

// batches works off a stored backlog with an instant handler, one event per call and many by turns. Both are ours: the row says
// what batches are worth.
func batches(ctx context.Context, r *rig, t *table) error {
	if err := r.preload(ctx, "events.bench.batch"); err != nil {
		return err
	}
	for _, tr := range transports() {
		if r.opts.transport != "" && r.opts.transport != tr.name {
			continue
		}
		var single, many []drained
		for round := range r.opts.rounds {
			name := fmt.Sprintf("batch-%s-%d", strings.ReplaceAll(tr.name, " ", "-"), round)
			fn := newFunction(name, tr, "events.bench.batch")
			d, err := r.drainOnce(ctx, fn, func(string) (workers, error) { return r.startSidecar(tr, fn) })
			if err != nil {
				return fmt.Errorf("single, %s: %w", tr.name, err)
			}
			single = append(single, d)
			batched := tr
			if tr.spec.Protocol == function.ProtocolStream {
				batched.handler = "handler-batch"
			}
			fn = newFunction(name+"-many", batched, "events.bench.batch")
			fn.Spec.Concurrency, fn.Spec.Batch = function.DefaultConcurrency, &function.Batch{MaxEvents: batchEvents}
			d, err = r.drainOnce(ctx, fn, func(string) (workers, error) { return r.startSidecar(batched, fn) })
			if err != nil {
				return fmt.Errorf("batches, %s: %w", tr.name, err)
			}
			many = append(many, d)
		}
		row := func(what, goal, format string, of func(drained) float64) {
			one, all := medianOf(single, of), medianOf(many, of)
			t.add(what, fmt.Sprintf(format, one), fmt.Sprintf(format, all), fmt.Sprintf("%.2f", all/one), goal)
		}
		row(fmt.Sprintf("batches of %d beside single calls, %s, events/s", batchEvents, tr.name), "", "%.0f",
			func(d drained) float64 { return d.rate })
		row("  sidecar CPU, µs/event", "", "%.1f", func(d drained) float64 { return d.feeder })
		row("  handler CPU, µs/event", "", "%.1f", func(d drained) float64 { return d.handler })
	}
	return nil
}
