package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

const (
	idleFunctions = 100
	idleWatch     = 20 * time.Second
)

// idle looks at what `pelton up` costs while all of its functions are at zero, with everything that belongs to it.
func idle(ctx context.Context, r *rig, t *table) error {
	folder := filepath.Join(r.dir, "idle")
	program := filepath.Join(r.dir, "pelton")
	if err := r.build(ctx, "cmd/pelton", program); err != nil {
		return err
	}
	for i := range idleFunctions {
		name := fmt.Sprintf("idle-%d", i)
		fn := newFunction(name, transports()[0], "events.bench."+name)
		fn.Spec.Handler = function.Handler{Command: []string{"sleep", "1000"}}
		fn.SetDefaults()
		if err := writeManifest(filepath.Join(folder, name), fn); err != nil {
			return err
		}
	}
	m, err := r.up(ctx, program, folder)
	if err != nil {
		return err
	}
	defer m.stop()
	time.Sleep(settleDown)
	family := familyOf(m.process.pid())
	cpu := percent(family, r.opts.short(idleWatch))
	rss := 0.0
	for _, pid := range family {
		rss += memoryOf(pid, "VmRSS")
	}
	what := fmt.Sprintf("idle, pelton up, %d functions at zero", idleFunctions)
	t.limit(what+", CPU, % of one core", "%.2f", 2, cpu, "below 1.00")
	t.limit("  memory of all its processes, MiB", "%.0f", 150, rss, "below 1.00")
	return nil
}
