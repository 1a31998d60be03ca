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

	limit   int // of what is in flight; not above zero is none
	waiting int // pull requests of workers
	err     error
}

// sureAfter is between a reading that finds nothing and the one that confirms it, when watching begins and after a probe has
// fired. The server answers who publishes, and probes, before it counts a message for its consumers: a reading may be too
// early. A probe that is parked meanwhile does not rest on the count.
const sureAfter = 100 * time.Millisecond

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
	return depth{
		due: info.NumPending, inFlight: inFlight(info), delivered: info.Delivered.Consumer, waiting: info.NumWaiting,
		limit: info.Config.MaxAckPending,
	}
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
	confirm := !f.sure && r.Err == nil && r.Due+r.InFlight == 0 && !r.Again &&
		(f.reading.Counted.IsZero() || r.Delivered == f.reading.Delivered)
	if f.sure = true; confirm {
		r = f.reading
	}
	changed := differs(&r, &f.reading)
	f.loud = confirm || r.Due > 0 || r.Again || r.Err != nil && !errors.Is(r.Err, ErrNoConsumer) ||
		w.cfg.AllWork && (r.InFlight > 0 || r.Delivered != f.reading.Delivered)
	f.reading = r
	f.failures++
	if r.Err == nil || errors.Is(r.Err, ErrNoConsumer) {
		f.failures = 0
	}
	f.next = time.Now().Add(w.interval(f))
	if confirm {
		f.next = time.Now().Add(sureAfter)
	}
	if !w.reads(f) {
		delete(w.reading, f)
	}
	w.parkIdle(f, w.cfg.AllWork && f.loud && !confirm)
	notify := f.onChange
	w.mu.Unlock()
	if changed && notify != nil {
		notify()
	}
}

// differs reports whether two readings differ for who is told of changes.
func differs(a, b *Reading) bool {
	return a.Due != b.Due || a.InFlight != b.InFlight || a.Known != b.Known || a.Again != b.Again ||
		a.Delivered != b.Delivered || a.MaxInFlight != b.MaxInFlight || (a.Err == nil) != (b.Err == nil)
}

// parkIdle parks the probes of a function that has been read. Work that flows would fire them at once, and again, and is being
// read anyway. The caller holds mu.
func (w *Watcher) parkIdle(f *watched, flows bool) {
	for _, p := range f.probes {
		switch {
		case p.fired || p.number != "" || p.refused || p.resting:
		case p.missing():
			p.lookLater()
		case !flows:
			w.park(p)
		}
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
	now := time.Now()
	r := Reading{At: now, Counted: now}
	unlimited := false
	for i, d := range depths {
		p := f.probes[i]
		p.setErr(d.err)
		switch {
		case p.missing(): // nothing can be due there
			p.fired = false
		case d.err != nil:
			unlimited = true
			if p.fired { // it was seen, and nothing says that it is gone
				r.Due, r.Known = r.Due+1, true
			}
		default:
			r.Known = true
			r.Due += d.due
			r.InFlight += d.inFlight
			r.Delivered += d.delivered
			r.MaxInFlight += uint64(max(0, d.limit))
			unlimited = unlimited || d.limit <= 0
			// A message that is due again is neither pending nor told apart from those in work. It may be there until a worker
			// waits, who would have been given it, or nothing is unacknowledged.
			may := (p.fired || w.polling) && d.due == 0 && d.inFlight > 0 && d.waiting == 0
			r.Again = r.Again || may
			p.fired = p.fired && (d.due > 0 || may)
		}
	}
	if unlimited {
		r.MaxInFlight = 0
	}
	r.Err = f.err()
	if !r.Known && r.Err != nil && !errors.Is(r.Err, ErrNoConsumer) {
		stands := f.reading
		stands.Known, stands.Err = false, r.Err
		return stands
	}
	r.Known = true
	return r
}
