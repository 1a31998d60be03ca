package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/wake"
)

const (
	wakeFunctions = 2000
	wakeSamples   = 500
)

// wakeUp watches many idle functions and publishes to one after the other: how long until it is known that there is work.
func wakeUp(ctx context.Context, r *rig, t *table) error {
	o, stop, err := r.another(ctx, "wake")
	if err != nil {
		return err
	}
	defer stop()
	fns, made, err := o.idleFunctions(ctx, r.opts.few(wakeFunctions))
	if err != nil {
		return err
	}
	w, err := newWoken(o.url)
	if err != nil {
		return err
	}
	defer w.stop()
	parked, err := w.watch(ctx, o.js, fns)
	if err != nil {
		return err
	}
	var waits []float64
	for i := range r.opts.few(wakeSamples) {
		d, err := o.wakeOnce(ctx, w, i, len(fns))
		if err != nil {
			return err
		}
		waits = append(waits, milliseconds(d))
	}
	t.add(fmt.Sprintf("wake, make consumers of %d functions, s", len(fns)), "", fmt.Sprintf("%.1f", made.Seconds()), "", "")
	t.add("  park their probes, see each parked, ms", "", fmt.Sprintf("%.0f", milliseconds(parked)), "", "")
	t.add("  publish until told, p50, ms", "", fmt.Sprintf("%.2f", median(waits)), "", "")
	t.limit("  p99, ms", "%.2f", 20, quantile(waits, 0.99), "below 1.00")
	t.add(fmt.Sprintf("  longest of %d, ms", len(waits)), "", fmt.Sprintf("%.2f", quantile(waits, 1)), "", "")
	return nil
}

func wakeSubject(i int) string { return fmt.Sprintf("events.bench.wake.%d", i) }

// idleFunctions makes the consumers of n functions, as the supervisor does.
func (r *rig) idleFunctions(ctx context.Context, n int) ([]*function.Function, time.Duration, error) {
	began := time.Now()
	fns := make([]*function.Function, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	p := &progress{what: "functions made", of: int64(n)}
	for i := range fns {
		fns[i] = newFunction(fmt.Sprintf("idle-%d", i), transports()[0], wakeSubject(i))
		group.Go(func() error {
			defer p.step()
			_, err := stream.EnsureFunction(ctx, r.js, fns[i])
			return err
		})
	}
	err := group.Wait()
	return fns, time.Since(began), err
}

// woken is a watcher that says when it was told of a function's work.
type woken struct {
	nc      *nats.Conn
	watcher *wake.Watcher
	waits   atomic.Int64 // the function that is waited for, -1 for none
	told    chan time.Time
	cancel  context.CancelFunc
	ended   chan error
}

func newWoken(url string) (*woken, error) {
	nc, err := nats.Connect(url, nats.ReconnectBufSize(-1))
	if err != nil {
		return nil, err
	}
	watcher, err := wake.New(nc, wake.Config{})
	if err != nil {
		nc.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &woken{nc: nc, watcher: watcher, told: make(chan time.Time, 1), cancel: cancel, ended: make(chan error, 1)}
	w.waits.Store(-1)
	go func() { w.ended <- watcher.Run(ctx) }()
	return w, nil
}

func (w *woken) stop() {
	w.cancel()
	<-w.ended
	w.nc.Close()
}

// watch begins to watch functions and waits until the server has all their probes.
func (w *woken) watch(ctx context.Context, js jetstream.JetStream, fns []*function.Function) (time.Duration, error) {
	began := time.Now()
	for i, fn := range fns {
		w.watcher.Watch(fn.Key(), stream.ConsumersOf(fn), func() {
			if w.waits.CompareAndSwap(int64(i), -1) {
				w.told <- time.Now()
			}
		})
	}
	for _, fn := range fns { // they are parked in any order
		err := await(ctx, "probes of "+fn.Metadata.Name, time.Minute, func() (bool, error) {
			for _, c := range stream.ConsumersOf(fn) {
				have, err := js.Consumer(ctx, c.Stream, c.Name)
				if err != nil || have.CachedInfo().NumWaiting == 0 {
					return false, err
				}
			}
			return true, nil
		})
		if err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// wakeOnce publishes to a function and waits until that is known.
func (r *rig) wakeOnce(ctx context.Context, w *woken, i, functions int) (time.Duration, error) {
	i = i * 7 % functions
	w.waits.Store(int64(i))
	return r.publishAndWait(ctx, i, w.told)
}

// publishAndWait publishes to a function and returns after what time that was told. Then the event is taken away, as if it
// were done.
func (r *rig) publishAndWait(ctx context.Context, i int, tells <-chan time.Time) (time.Duration, error) {
	began := time.Now()
	if _, err := r.js.PublishMsgAsync(benchEvent(wakeSubject(i), i, []byte(`{}`))); err != nil {
		return 0, err
	}
	var told time.Time
	select {
	case told = <-tells:
	case <-time.After(time.Minute):
		return 0, fmt.Errorf("function %d was not woken within a minute", i)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	events, err := r.js.Stream(ctx, stream.EventsStream)
	if err != nil {
		return 0, err
	}
	return told.Sub(began), events.Purge(ctx, jetstream.WithPurgeSubject(wakeSubject(i)))
}
