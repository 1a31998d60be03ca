package main

import (
	"context"
	"fmt"
	"time"
)

const (
	settleDown = 3 * time.Second // a process that has started is at rest by then
	idleTime   = 10 * time.Second
)

// memory looks at the real sidecar's memory: with nothing to do, and with a backlog before it.
func memory(ctx context.Context, r *rig, t *table) error {
	if err := r.preload(ctx, "events.bench.memory"); err != nil {
		return err
	}
	for _, tr := range transports()[1:] {
		if r.opts.transport != "" && r.opts.transport != tr.name {
			continue
		}
		idle, cpu, err := r.idleSidecar(ctx, tr)
		if err != nil {
			return fmt.Errorf("%s, idle: %w", tr.name, err)
		}
		peak, each, err := r.busySidecar(ctx, tr)
		if err != nil {
			return fmt.Errorf("%s, busy: %w", tr.name, err)
		}
		t.limit("memory, sidecar idle, "+tr.name+", MiB", "%.1f", 14, idle, "1.00 or less")
		t.limit(fmt.Sprintf("  peak with %d events waiting, MiB", r.opts.events), "%.1f", 20, peak, "1.00 or less")
		t.add("  CPU per event, us", "", fmt.Sprintf("%.1f", each), "", "")
		t.add("  CPU idle, % of one core", "", fmt.Sprintf("%.2f", cpu), "", "")
	}
	return nil
}

// idleSidecar returns the resident memory and the processor time of a sidecar that never had work.
func (r *rig) idleSidecar(ctx context.Context, tr transport) (mib, cpu float64, err error) {
	fn := newFunction("memory-idle", tr, "events.bench.nothing")
	defer r.deleteConsumers(fn)
	if _, err := r.freshConsumers(ctx, fn); err != nil {
		return 0, 0, err
	}
	w, err := r.startSidecar(tr, fn)
	if err != nil {
		return 0, 0, err
	}
	defer w.stop()
	time.Sleep(settleDown)
	cpu = percent([]int{w.feeder.pid()}, r.opts.short(idleTime))
	return memoryOf(w.feeder.pid(), "VmRSS"), cpu, nil
}

// busySidecar returns the most memory a sidecar had until it was through with a backlog, and the microseconds of processor
// time that an event took: memory can be bought with those.
func (r *rig) busySidecar(ctx context.Context, tr transport) (peak, each float64, err error) {
	fn := newFunction("memory-busy", tr, "events.bench.memory")
	defer r.deleteConsumers(fn)
	c, err := r.freshConsumers(ctx, fn)
	if err != nil {
		return 0, 0, err
	}
	w, err := r.startSidecar(tr, fn)
	if err != nil {
		return 0, 0, err
	}
	defer w.stop()
	if err := settledAll(ctx, c); err != nil {
		return 0, 0, err
	}
	each = cpuOf(w.feeder.pid()).Seconds() * 1e6 / float64(r.opts.events)
	return memoryOf(w.feeder.pid(), "VmHWM"), each, nil
}
