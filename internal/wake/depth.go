package wake

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// readTimeout bounds one reading of a consumer.
const readTimeout = 2 * time.Second

// depth is one consumer's reading.
type depth struct {
	due, inFlight uint64
	waiting       int // pull requests of workers
	err           error
}

// readLoud reads every loud function once and returns when to read again, 0 for not at all.
func (w *Watcher) readLoud(ctx context.Context) time.Duration {
	var wait time.Duration
	for _, f := range w.loud() {
		if ctx.Err() != nil {
			return 0
		}
		depths := make([]depth, len(f.probes))
		for i, p := range f.probes {
			depths[i] = w.readDepth(ctx, p.consumer.Stream, p.consumer.Name)
		}
		if w.apply(f, depths) {
			wait = w.cfg.DepthInterval
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.polling && len(w.functions) > 0 {
		return w.cfg.PollInterval
	}
	return wait
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
	r := Reading{Known: true, At: time.Now()}
	for i, d := range depths {
		if d.err != nil {
			r.Err = d.err
			continue
		}
		p := f.probes[i]
		due := d.due
		// A message that is due again is neither pending nor told apart from those in work. The probe has seen it: it stands
		// until a worker waits, who would have been given it, or nothing is unacknowledged.
		if p.fired && due == 0 && d.inFlight > 0 && d.waiting == 0 {
			due = 1
		}
		p.fired = p.fired && due > 0
		r.Due += due
		r.InFlight += d.inFlight
	}
	if r.Err != nil {
		r.Due, r.InFlight, r.At, r.Known = f.reading.Due, f.reading.InFlight, f.reading.At, false
	}
	changed := r.Due != f.reading.Due || r.InFlight != f.reading.InFlight || r.Known != f.reading.Known
	f.reading = r
	f.loud = r.Due > 0 || r.Err != nil
	for _, p := range f.probes {
		if !p.fired && p.number == "" {
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
