package wake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// readTimeout bounds one reading of a consumer.
const readTimeout = 2 * time.Second

// depth is one consumer's reading.
type depth struct {
	due, inFlight, delivered uint64

	waiting int // pull requests of workers
	err     error
}

// How many functions are read at once. Those that could not be read last time have places of their own, and wait longer each
// time: a stream without a leader, or one that we may not ask for, must not hold up the others.
const (
	readParallel        = 8
	readParallelFailing = 2
	failingIntervalMax  = 30 * time.Second
)

// readLoud begins to read every function whose time has come and returns how long to wait for the next, 0 for until something
// happens.
func (w *Watcher) readLoud(ctx context.Context) time.Duration {
	for _, f := range w.toRead(time.Now()) {
		w.readers.Go(func() { w.readInTurn(ctx, f) })
	}
	return w.nextRead(time.Now())
}

// readInTurn reads one function when there is a place for it.
func (w *Watcher) readInTurn(ctx context.Context, f *watched) {
	w.mu.Lock()
	places := w.places
	if f.failures > 0 {
		places = w.failingPlaces
	}
	w.mu.Unlock()
	select {
	case places <- struct{}{}:
		w.readFunction(ctx, f)
		<-places
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f.busy = false
	w.signal()
}

// readNow asks for a reading at once. The caller holds mu.
func (w *Watcher) readNow(f *watched) {
	f.loud, f.next = true, time.Time{}
	w.reading[f] = struct{}{}
	w.signal()
}

// reads reports whether a function is read at intervals. The caller holds mu.
func (w *Watcher) reads(f *watched) bool { return f.loud || f.polled || w.polling }

// toRead lists the functions whose depth must be read now, and is not being read.
func (w *Watcher) toRead(now time.Time) []*watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	var fs []*watched
	for f := range w.reading {
		if !f.busy && !f.next.After(now) {
			f.busy = true
			fs = append(fs, f)
		}
	}
	return fs
}

// nextRead returns how long nothing needs to be read, 0 if nothing does until something happens.
func (w *Watcher) nextRead(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var wait time.Duration
	for f := range w.reading {
		if f.busy {
			continue // the end of its reading is a signal
		}
		if left := max(f.next.Sub(now), time.Millisecond); wait == 0 || left < wait {
			wait = left
		}
	}
	return wait
}

func (w *Watcher) readFunction(ctx context.Context, f *watched) {
	depths := make([]depth, len(f.probes))
	for i, p := range f.probes {
		depths[i] = w.readDepth(ctx, p.consumer.Stream, p.consumer.Name)
	}
	w.apply(f, depths)
}

func (w *Watcher) readDepth(ctx context.Context, stream, name string) depth {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	c, err := w.js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return depth{err: fmt.Errorf("%w: %s on stream %s", ErrNoConsumer, name, stream)}
	}
	if errors.Is(err, jetstream.ErrNotPullConsumer) {
		return depth{err: fmt.Errorf("%w: %s on stream %s", ErrPushConsumer, name, stream)}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer for %v: it has no leader, or we may not ask for it ($JS.API.CONSUMER.INFO.%s.%s)", readTimeout,
			stream, name)
	}
	if err != nil {
		return depth{err: fmt.Errorf("read consumer %s on stream %s: %w", name, stream, err)}
	}
	info := c.CachedInfo()
	if info.Paused {
		info.NumPending = 0 // nothing can be given before it goes on, and the probe tells of that
	}
	return depth{due: info.NumPending, inFlight: inFlight(info), delivered: info.Delivered.Consumer, waiting: info.NumWaiting}
}

func inFlight(info *jetstream.ConsumerInfo) uint64 { return uint64(max(0, info.NumAckPending)) }

// apply puts what was read into the function's reading. When nothing is due any more, the probes are parked again.
func (w *Watcher) apply(f *watched, depths []depth) {
	w.mu.Lock()
	if w.functions[f.key] != f {
		w.mu.Unlock()
		return // replaced or forgotten meanwhile
	}
	r := w.fold(f, depths)
	changed := r.Due != f.reading.Due || r.InFlight != f.reading.InFlight || r.Known != f.reading.Known ||
		r.Again != f.reading.Again || r.Delivered != f.reading.Delivered || (r.Err == nil) != (f.reading.Err == nil)
	f.loud = r.Due > 0 || r.Again || r.Err != nil && !errors.Is(r.Err, ErrNoConsumer) ||
		w.cfg.AllWork && (r.InFlight > 0 || r.Delivered != f.reading.Delivered)
	f.reading = r
	f.failures++
	if r.Err == nil || errors.Is(r.Err, ErrNoConsumer) {
		f.failures = 0
	}
	f.next = time.Now().Add(w.interval(f))
	if !w.reads(f) {
		delete(w.reading, f)
	}
	for i, p := range f.probes {
		switch {
		case p.fired || p.number != "" || p.refused || p.resting:
		case errors.Is(depths[i].err, ErrNoConsumer):
			p.timer.Reset(parkRetry)
		case w.cfg.AllWork && f.loud: // work that flows would fire it at once, and again, and is being read anyway
		default:
			w.park(p)
		}
	}
	notify := f.onChange
	w.mu.Unlock()
	if changed && notify != nil {
		notify()
	}
}

// interval is the time between readings of a function. The caller holds mu.
func (w *Watcher) interval(f *watched) time.Duration {
	if w.polling || f.polled && !f.loud {
		return w.cfg.PollInterval
	}
	return max(w.cfg.DepthInterval, min(w.cfg.DepthInterval<<min(f.failures, 10), failingIntervalMax))
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
			r.Delivered += d.delivered
			// A message that is due again is neither pending nor told apart from those in work. It may be there until a worker
			// waits, who would have been given it, or nothing is unacknowledged.
			may := (p.fired || w.polling) && d.due == 0 && d.inFlight > 0 && d.waiting == 0
			r.Again = r.Again || may
			p.fired = p.fired && (d.due > 0 || may)
		}
	}
	if !r.Known && r.Err != nil && !errors.Is(r.Err, ErrNoConsumer) {
		stands := f.reading
		r.Due, r.InFlight, r.Again, r.Delivered, r.At = stands.Due, stands.InFlight, stands.Again, stands.Delivered, stands.At
	} else {
		r.Known = true
	}
	return r
}
