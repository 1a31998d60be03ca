package scalers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/wake"
)

var errNotConnected = status.Error(codes.Unavailable, "the scaler is not connected to NATS: it does not know what waits")

// source is the queue of one function, or one consumer that a ScaledObject names. All who ask for it share it.
type source struct {
	key     function.Key
	watcher *wake.Watcher
	read    chan struct{} // closed by the first reading, or when it is known that there is nothing to read

	mu        sync.Mutex
	consumers []stream.Consumer // what is watched; nil while the function is unknown
	lookup    error             // why it is not known whether there is such a function
	policy    demand.Policy     // of a function
	meter     meter
	wasRead   bool
	streams   map[chan struct{}]struct{} // one place each: something has changed
	asked     time.Time
}

func (src *source) watchKey() function.Key { return src.key }

// maxSources bounds how much is watched. Who reaches the port may make up names.
const maxSources = 50_000

// sourceOf returns the source that a question is about and begins to watch it if nobody did.
func (s *Scaler) sourceOf(q *question) (*source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := q.source
	src := s.sources[key]
	if src == nil && len(s.sources) >= maxSources {
		return nil, status.Errorf(codes.ResourceExhausted, "the scaler watches %d queues already, its limit", maxSources)
	}
	if src == nil {
		src = &source{
			key: key, watcher: s.cfg.Watcher, read: make(chan struct{}), streams: map[chan struct{}]struct{}{}, policy: q.policy,
		}
		s.sources[key] = src
		if q.function == (function.Key{}) {
			src.watch([]stream.Consumer{q.consumer})
		} else {
			s.follow(src)
		}
	}
	src.mu.Lock()
	src.asked = time.Now()
	src.mu.Unlock()
	return src, nil
}

// follow brings the source of a function to what the catalog says of it.
func (s *Scaler) follow(src *source) {
	e, known, err := s.cfg.Catalog.Lookup(src.key)
	src.mu.Lock()
	src.lookup = err
	if known {
		src.policy = policyOf(&e)
	}
	src.mu.Unlock()
	switch {
	case known:
		src.watch(consumersOf(&e))
	case err == nil:
		src.unwatch()
	}
	src.notify()
}

// functionChanged is called by the catalog: with the zero key when it has been read, and then it is known of every function
// whether there is one.
func (s *Scaler) functionChanged(key function.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if src := s.sources[key]; src != nil {
		s.follow(src)
	}
	if key != (function.Key{}) {
		return
	}
	for _, src := range s.sources {
		if src.key.Namespace != "" {
			s.follow(src)
		}
	}
}

func policyOf(e *catalog.Entry) demand.Policy {
	return demand.PolicyOf(&function.Spec{Concurrency: e.Concurrency, Scale: e.Scale})
}

func consumersOf(e *catalog.Entry) []stream.Consumer {
	cs := make([]stream.Consumer, len(e.Consumers))
	for i, c := range e.Consumers {
		cs[i] = stream.Consumer{Stream: c.Stream, Name: c.Name}
	}
	return cs
}

// watch watches consumers, unless they are watched already.
func (src *source) watch(consumers []stream.Consumer) {
	src.mu.Lock()
	same := sameConsumers(src.consumers, consumers)
	src.consumers = consumers
	if !same {
		src.meter = meter{}
	}
	src.mu.Unlock()
	if !same {
		src.watcher.Watch(src.key, consumers, src.changed)
	}
}

// unwatch ends watching: there is no such function.
func (src *source) unwatch() {
	src.mu.Lock()
	src.consumers = nil
	src.mu.Unlock()
	src.watcher.Unwatch(src.key)
}

// setRead ends the wait for a first reading. The caller holds mu.
func (src *source) setRead() {
	if !src.wasRead {
		src.wasRead = true
		close(src.read)
	}
}

func sameConsumers(a, b []stream.Consumer) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Stream != b[i].Stream || a[i].Name != b[i].Name {
			return false
		}
	}
	return true
}

// changed is called by the watcher.
func (src *source) changed() {
	r := src.watcher.Reading(src.key)
	src.mu.Lock()
	src.meter.take(r)
	if r.Known || r.Err != nil {
		src.setRead()
	}
	src.mu.Unlock()
	src.notify()
}

// notify wakes the source's streams.
func (src *source) notify() {
	src.mu.Lock()
	defer src.mu.Unlock()
	for ch := range src.streams {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// subscribe gives a stream a channel that is sent to when something has changed.
func (src *source) subscribe() (changed chan struct{}, cancel func()) {
	changed = make(chan struct{}, 1)
	src.mu.Lock()
	defer src.mu.Unlock()
	src.streams[changed] = struct{}{}
	return changed, func() {
		src.mu.Lock()
		defer src.mu.Unlock()
		delete(src.streams, changed)
		src.asked = time.Now()
	}
}

func (src *source) unused(now time.Time, after time.Duration) bool {
	src.mu.Lock()
	defer src.mu.Unlock()
	return len(src.streams) == 0 && now.Sub(src.asked) > after
}

// await waits for the first reading, but never for long: KEDA calls without a deadline, and holds the object's lock. A
// function that is not known may just have been entered.
func (src *source) await(ctx context.Context, atMost time.Duration) {
	select {
	case <-src.read:
		return
	default:
	}
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-src.read:
	case <-timer.C:
		src.giveUp()
	case <-ctx.Done():
	}
}

// giveUp ends the wait for a function that does not exist.
func (src *source) giveUp() {
	src.mu.Lock()
	defer src.mu.Unlock()
	if src.consumers == nil && src.lookup == nil {
		src.setRead()
	}
}

// work is what a source's queue holds, and how fast it is worked on.
type work struct {
	due, inFlight int
	most          int // in flight, as the server gives out no more; 0 is no limit
	again         bool
	active        bool // something is due, in flight, or was a moment ago
	unattended    bool // something is due, and nobody takes it
	service       time.Duration
	policy        demand.Policy
}

// unmeasured is whether the target follows a service time that is not known yet.
func (w *work) unmeasured() bool { return w.policy.Drain > 0 && w.service == 0 }

// work returns what waits now. The error is a gRPC status that says why that is not known; what is known stands beside it.
func (src *source) work(now time.Time) (work, error) {
	r := src.watcher.Reading(src.key)
	src.mu.Lock()
	defer src.mu.Unlock()
	w := work{
		due: clamp(r.Due), inFlight: clamp(r.InFlight), most: clamp(r.MaxInFlight), again: r.Again,
		service: src.meter.announced, policy: src.policy,
	}
	w.active = w.due+w.inFlight > 0 || r.Again || src.meter.workedLately(now)
	w.unattended = (w.due > 0 || r.Again) && !src.meter.taken
	switch {
	case src.lookup != nil:
		return work{}, status.Error(codes.Unavailable, src.lookup.Error())
	case src.consumers == nil:
		return work{}, src.unknown()
	case !src.watcher.Connected():
		return w, errNotConnected
	case errors.Is(r.Err, wake.ErrNoConsumer):
		return w, status.Error(codes.NotFound, fmt.Sprintf("%v: create it, or correct the trigger's metadata", r.Err))
	case errors.Is(r.Err, wake.ErrPushConsumer):
		return w, status.Error(codes.InvalidArgument, fmt.Sprintf("%v: make it one, its workers must pull", r.Err))
	case r.Err != nil:
		return w, status.Error(codes.Unavailable, r.Err.Error())
	case !r.Known:
		return w, status.Error(codes.Unavailable, "the queue has not been read yet: ask again in a moment")
	}
	return w, nil
}

// unknown says that the catalog does not have the function.
func (src *source) unknown() error {
	return status.Error(codes.NotFound, fmt.Sprintf("there is no function %s in namespace %s on this NATS server: "+
		"start its sidecar once, run pelton provision with its manifest, or correct the trigger's metadata", src.key.Name,
		src.key.Namespace))
}

// clamp keeps a count within what the arithmetic takes.
func clamp(n uint64) int { return int(min(n, 1<<31-1)) }
