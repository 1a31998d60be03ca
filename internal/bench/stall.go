package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/function"
)

const (
	stallRuns    = 20
	stallEvents  = 2500 // for each event in flight, so that a run takes about as long at any concurrency
	stallMost    = 40_000
	stallLimit   = time.Second
	stallGivesUp = 90 * time.Second
)

// stall looks for times in which the real sidecar settles nothing although there is work: the client library's own loops
// rest for 30 seconds now and then, mostly at small concurrencies. There is a backlog from the start of each run to its end.
func stall(ctx context.Context, r *rig, t *table) error {
	tr, subject := transports()[1], "events.bench.stall"
	if err := r.preload(ctx, subject); err != nil {
		return err
	}
	longest, bad, runs := time.Duration(0), 0, 0
	for _, concurrency := range []int{1, 2, 4, 8, 16, 64} {
		fn := newFunction(fmt.Sprintf("stall-%d", concurrency), tr, subject)
		fn.Spec.Concurrency = concurrency
		for range r.opts.few(stallRuns) {
			gap, err := r.stallOnce(ctx, tr, fn, min(stallEvents*concurrency, stallMost, r.opts.events))
			if err != nil {
				return fmt.Errorf("concurrency %d: %w", concurrency, err)
			}
			runs++
			if gap > stallLimit {
				bad++
			}
			longest = max(longest, gap)
		}
		r.deleteConsumers(fn)
	}
	t.limit(fmt.Sprintf("stall, sidecar, %s, %d runs, longest, ms", tr.name, runs), "%.0f", 1000, milliseconds(longest),
		"1.00 or less")
	t.add("  runs that stalled", "0", fmt.Sprint(bad), "", "0")
	return nil
}

// stallOnce returns the longest time without a settlement, from the sidecar's start until so many events are settled.
func (r *rig) stallOnce(ctx context.Context, tr transport, fn *function.Function, events int) (time.Duration, error) {
	c, err := r.freshConsumers(ctx, fn)
	if err != nil {
		return 0, err
	}
	g := &gaps{left: events, last: time.Now(), done: make(chan struct{})}
	info := c.CachedInfo()
	acks, err := r.nc.Subscribe("$JS.ACK."+info.Stream+"."+info.Name+".>", g.settled)
	if err != nil {
		return 0, err
	}
	defer func() { _ = acks.Unsubscribe() }()
	if err := r.nc.Flush(); err != nil {
		return 0, err
	}
	w, err := r.startSidecar(tr, fn)
	if err != nil {
		return 0, err
	}
	defer w.stop()
	select {
	case <-g.done:
	case <-time.After(stallGivesUp):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return g.longestSoFar(), nil
}

// gaps are the times between the acknowledgements that a consumer gets.
type gaps struct {
	done chan struct{} // closed when none is left

	mu      sync.Mutex
	left    int
	last    time.Time
	longest time.Duration
}

func (g *gaps) settled(m *nats.Msg) {
	if string(m.Data) != "+ACK" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left == 0 {
		return
	}
	now := time.Now()
	g.longest, g.last = max(g.longest, now.Sub(g.last)), now
	if g.left--; g.left == 0 {
		close(g.done)
	}
}

// longestSoFar counts the time since the last event too if more should have come.
func (g *gaps) longestSoFar() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left > 0 {
		return max(g.longest, time.Since(g.last))
	}
	return g.longest
}
