package wake

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// readTimeout bounds one reading of a consumer.
const readTimeout = 2 * time.Second

// depth is one consumer's reading.
type depth struct {
	due, inFlight uint64
	waiting       int // pull requests of workers
	err           error
}

// readParallel is how many functions are read at once: one that cannot be read must not hold up the others.
const readParallel = 8

// readLoud reads every loud function once and returns when to read again, 0 for not at all.
func (w *Watcher) readLoud(ctx context.Context) time.Duration {
	var loud atomic.Bool
	var group errgroup.Group
	group.SetLimit(readParallel)
	for _, f := range w.loud() {
		group.Go(func() error {
			if ctx.Err() == nil && w.readFunction(ctx, f) {
				loud.Store(true)
			}
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.polling && len(w.functions) > 0:
		return w.cfg.PollInterval
	case loud.Load():
		return w.cfg.DepthInterval
	default:
		return 0
	}
}

func (w *Watcher) readFunction(ctx context.Context, f *watched) (again bool) {
	depths := make([]depth, len(f.probes))
	for i, p := range f.probes {
		depths[i] = w.readDepth(ctx, p.consumer.Stream, p.consumer.Name)
	}
	return w.apply(f, depths)
}

func (w *Watcher) loud() []*watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	var fs []*watched
	for _, f := range w.functions {
		if f.loud || w.polling {
			fs = append(fs, f)
		}
	}
	return fs
}

func (w *Watcher) readDepth(ctx context.Context, stream, name string) depth {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	c, err := w.js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return depth{err: fmt.Errorf("%w: %s on stream %s", ErrNoConsumer, name, stream)}
	}
	if err != nil {
		return depth{err: fmt.Errorf("read consumer %s on stream %s: %w", name, stream, err)}
	}
	info := c.CachedInfo()
	return depth{due: info.NumPending, inFlight: inFlight(info), waiting: info.NumWaiting}
}

func inFlight(info *jetstream.ConsumerInfo) uint64 { return uint64(max(0, info.NumAckPending)) }

// apply puts what was read into the function's reading and reports whether to read it again. When nothing is due any more,
// the probes are parked instead.
func (w *Watcher) apply(f *watched, depths []depth) (again bool) {
	w.mu.Lock()
	if w.functions[f.key] != f {
		w.mu.Unlock()
		return false // replaced or forgotten meanwhile
	}
	r := w.fold(f, depths)
	changed := r.Due != f.reading.Due || r.InFlight != f.reading.InFlight || r.Known != f.reading.Known ||
		r.Again != f.reading.Again ||
		(r.Err == nil) != (f.reading.Err == nil)
	f.reading = r
	f.loud = r.Due > 0 || r.Again || r.Err != nil && !errors.Is(r.Err, ErrNoConsumer)
	for i, p := range f.probes {
		switch {
		case p.fired || p.number != "":
		case errors.Is(depths[i].err, ErrNoConsumer):
			p.timer.Reset(parkRetry)
		default:
			w.park(p)
		}
	}
	again, notify := f.loud, f.onChange
	w.mu.Unlock()
	if changed && notify != nil {
		notify()
	}
	return again
}

// fold makes one reading of those of a function's consumers. What cannot be read of one does not hide what is known of the
// others; only when nothing could be read does the last reading stand, as unknown. The caller holds mu.
func (w *Watcher) fold(f *watched, depths []depth) Reading {
	r := Reading{At: time.Now()}
	for i, d := range depths {
		p := f.probes[i]
		switch {
		case errors.Is(d.err, ErrNoConsumer): // nothing can be due there
			r.Err, p.fired = d.err, false
		case d.err != nil:
			r.Err = d.err
			if p.fired { // it was seen, and nothing says that it is gone
				r.Due, r.Known = r.Due+1, true
			}
		default:
			r.Known = true
			r.Due += d.due
			r.InFlight += d.inFlight
			// A message that is due again is neither pending nor told apart from those in work. It may be there until a worker
			// waits, who would have been given it, or nothing is unacknowledged.
			may := (p.fired || w.polling) && d.due == 0 && d.inFlight > 0 && d.waiting == 0
			r.Again = r.Again || may
			p.fired = p.fired && (d.due > 0 || may)
		}
	}
	if !r.Known && r.Err != nil && !errors.Is(r.Err, ErrNoConsumer) {
		r.Due, r.InFlight, r.Again, r.At = f.reading.Due, f.reading.InFlight, f.reading.Again, f.reading.At
	} else {
		r.Known = true
	}
	return r
}
