package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/stream"
)

// load is events at a fixed rate, whatever becomes of them: an open loop.
type load struct {
	rate, concurrency int
	lasts             time.Duration
	goals             [2]string // for p50 and p99; "" is none
}

const latencyRounds = 3

// latency measures the time from when an event was to be published until its handler is called, the bare loop and Pelton by
// turns. An event that is published late counts from when it should have been: what one slow event delays is not left out.
//
// Where every write is synced, the disk is most of a wait and nearly all of its variance, for the bare loop as for us. So
// the server syncs as NATS does by default here, and only the slow rate is shown with the product's setting too.
func latency(ctx context.Context, r *rig, t *table) error {
	slow := load{500, 16, 20 * time.Second, [2]string{"1.10 or less", "1.20 or less"}}
	fast := load{3000, 32, 8 * time.Second, [2]string{"", "1.25 or less"}}
	lazy, stop, err := r.another(ctx, "lazy", "SYNC=lazy")
	if err != nil {
		return err
	}
	defer stop()
	for _, tr := range latencyTransports() {
		if r.opts.transport != "" && r.opts.transport != tr.name {
			continue
		}
		err := errors.Join(lazy.latencyOf(ctx, t, tr, slow, ""), lazy.latencyOf(ctx, t, tr, fast, ""),
			r.latencyOf(ctx, t, tr, slow, ", synced"))
		if err != nil {
			return fmt.Errorf("%s: %w", tr.name, err)
		}
	}
	return nil
}

// latencyTransports are those that are fast enough to matter, with handlers that note when they are called.
func latencyTransports() []transport {
	var ts []transport
	for _, t := range transports() {
		switch t.name {
		case "http unix":
			t.handler, t.bare = "latency-http", "latency-http"
		case "stream":
			t.handler, t.bare = "latency-sdk", "latency-frames"
		default:
			continue
		}
		ts = append(ts, t)
	}
	return ts
}

// waits are quantiles of one run, in µs.
type waits [2]float64

// latencyOf adds one row for each quantile that has a goal. The bare loop's window is larger than ours; at these rates
// neither is ever full.
func (r *rig) latencyOf(ctx context.Context, t *table, tr transport, l load, note string) error {
	var loop, pelton []waits
	what := fmt.Sprintf("latency, %s, %d/s%s", tr.name, l.rate, note)
	for range r.opts.few(latencyRounds) {
		limit, err := r.latencyRun(ctx, tr, l, false)
		if err != nil {
			return fmt.Errorf("bare loop at %d/s: %w", l.rate, err)
		}
		ours, err := r.latencyRun(ctx, tr, l, true)
		if err != nil {
			return fmt.Errorf("pelton at %d/s: %w", l.rate, err)
		}
		fmt.Fprintf(os.Stderr, "bench: %s: p50 and p99 in µs, L %.0f, Pelton %.0f\n", what, limit, ours)
		loop, pelton = append(loop, limit), append(pelton, ours)
	}
	for i, quantile := range []string{"p50", "p99"} {
		if l.goals[i] == "" {
			continue
		}
		limit, ours := medianWait(loop, i), medianWait(pelton, i)
		t.add(what+", "+quantile+", µs",
			fmt.Sprintf("%.0f", limit), fmt.Sprintf("%.0f", ours), fmt.Sprintf("%.2f", ours/limit), l.goals[i])
	}
	return nil
}

func medianWait(runs []waits, i int) float64 {
	xs := make([]float64, len(runs))
	for j, w := range runs {
		xs[j] = w[i]
	}
	return median(xs)
}

// latencyRun lets a fresh function handle the load, once everything is warm.
func (r *rig) latencyRun(ctx context.Context, tr transport, l load, pelton bool) (waits, error) {
	r.number++
	name := fmt.Sprintf("latency-%d", r.number)
	subject := "events.bench." + name
	fn := newFunction(name, tr, subject)
	fn.Spec.Concurrency = l.concurrency
	cs, err := stream.EnsureFunction(ctx, r.js, fn)
	if err != nil {
		return waits{}, err
	}
	defer r.deleteConsumers(fn)
	c, err := r.js.Consumer(ctx, cs[0].Stream, cs[0].Name)
	if err != nil {
		return waits{}, err
	}
	start := func() (workers, error) { return r.startLoop(tr, cs[0].Name) }
	if pelton {
		start = func() (workers, error) { return r.startSidecar(tr, fn) }
	}
	w, err := start()
	if err != nil {
		return waits{}, err
	}
	defer w.stop()
	if err := r.offer(ctx, c, subject, l.rate, 2*time.Second, false); err != nil {
		return waits{}, fmt.Errorf("warm up: %w", err)
	}
	if err := r.offer(ctx, c, subject, l.rate, r.opts.short(l.lasts), true); err != nil {
		return waits{}, err
	}
	return askWaits(w.handler)
}

// offer publishes at a rate and waits until everything is settled.
func (r *rig) offer(ctx context.Context, c jetstream.Consumer, subject string, rate int, lasts time.Duration,
	counts bool,
) error {
	js, err := jetstream.New(r.nc, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return err
	}
	start := time.Now()
	for i := range int(float64(rate) * lasts.Seconds()) {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		at := due
		if !counts {
			at = time.Unix(0, 0)
		}
		if _, err := js.PublishMsgAsync(benchEvent(subject, i, timedData(at)), jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	return settledAll(ctx, c)
}

// settledAll waits until a consumer has nothing left.
func settledAll(ctx context.Context, c jetstream.Consumer) error {
	return await(ctx, "settlement", 2*time.Minute, func() (bool, error) {
		info, err := c.Info(ctx)
		return err == nil && info.NumPending == 0 && info.NumAckPending == 0, err
	})
}

// askWaits asks a handler of this part for what it has noted.
func askWaits(handler *child) (w waits, err error) {
	if _, err := io.WriteString(handler.in, "report\n"); err != nil {
		return w, err
	}
	line, err := handler.line()
	if err != nil {
		return w, err
	}
	_, err = fmt.Sscan(line, &w[0], &w[1])
	return w, err
}
