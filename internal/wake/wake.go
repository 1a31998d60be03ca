// Package wake knows who has work: it parks a probe on every consumer and keeps one in-memory snapshot of what waits.
//
// A probe is a pull request for at most one byte, at the lowest priority. The server answers it the moment a message could
// be delivered and no worker is waiting for it, and delivers nothing: not even the delivery count moves. So a function at
// zero costs one parked request and no polling, and wakes for retries and schedules just as for new events. This rests on
// how the server refuses a message that is too large, so Run tests it first and falls back to polling where it does not
// hold.
//
// Depth is read twice when watching begins and then only after a probe has fired, at intervals until nothing is due any more;
// then the probe is parked again. A function whose workers keep up is therefore never read. A host that cannot see its
// workers asks for AllWork: its probes fire for what waiting workers take, too, and it reads until nothing is in flight.
// Package wake decides nothing and starts nothing. Run ends on its context.
package wake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Defaults of Config.
const (
	DefaultDepthInterval = time.Second
	DefaultPollInterval  = 2 * time.Second
	DefaultProbeExpires  = 5 * time.Minute
	retestInterval       = time.Minute
)

// Config says how often the watcher looks.
type Config struct {
	DepthInterval time.Duration // between readings of a function with work that nobody waits for
	PollInterval  time.Duration // between readings of every function, where probes do not work
	ProbeExpires  time.Duration // how long a probe stays parked

	// AllWork is for a host that cannot see the workers: probes stand in line with them, so that they fire for work that a
	// waiting worker takes at once as well, and a function is read until nothing is in flight.
	AllWork bool

	Logger *zap.Logger
}

// ErrNoConsumer says that a consumer of the function, or its stream, does not exist: nothing can be due there, and no event
// reaches the function until it is made again. A server that is starting gives the same answer for a moment.
var ErrNoConsumer = errors.New("consumer does not exist")

// ErrPushConsumer says that a consumer delivers by itself: nobody pulls from it, so its depth says nothing about workers.
var ErrPushConsumer = errors.New("consumer is not a pull consumer")

// Reading is what is known of one function's work.
type Reading struct {
	Due      uint64 // could be delivered now
	InFlight uint64 // delivered and not acknowledged

	// Again says that one of the messages in flight may be due once more, or all are in work: something was deliverable,
	// nothing is pending, and no worker waits. Who knows what is in work can tell: it is due again if InFlight is more.
	Again bool

	// Delivered counts what the server has delivered since the consumers were made, redeliveries included. Two readings tell
	// whether anybody takes events, and how fast.
	Delivered uint64

	// MaxInFlight is how many the server gives out at most before some are acknowledged, 0 for no limit.
	MaxInFlight uint64

	Known   bool      // at least one consumer could be read, or its probe has fired
	At      time.Time // of the last word that the server gave: a reading that worked, or a probe's answer
	Counted time.Time // of the last reading that worked: what was in flight and delivered then
	Err     error     // what could not be read
}

// Watcher watches the consumers of many functions.
type Watcher struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	cfg   Config
	log   *zap.Logger
	inbox string // probes answer to inbox + the probe's number

	mu        sync.Mutex
	functions map[function.Key]*watched
	reading   map[*watched]struct{} // those that are read at intervals
	probes    map[string]*probe     // by number
	servers   servers
	next      uint64
	request   []byte            // the body of a probe
	tested    time.Time         // when probes were last found not to work
	polling   bool              // probes do not work on this server
	running   bool              // Run has begun: probes may be parked
	made      map[name]struct{} // consumers that were made, and nobody has looked at yet
	changed   chan struct{}     // one place: a function has become loud, or has been read

	readers               sync.WaitGroup
	places, failingPlaces chan struct{}
}

// watched is one function. Guarded by Watcher.mu.
type watched struct {
	key      function.Key
	probes   []*probe
	loud     bool      // never read, or a probe has fired and nothing has been seen to be done with it yet
	sure     bool      // a reading that finds nothing is believed: see sureAfter
	polled   bool      // the server takes no probe for one of its consumers
	next     time.Time // no reading before
	busy     bool      // it is being read
	failures int       // readings in a row that failed
	reading  Reading
	onChange func()
}

// New makes a watcher.
func New(nc *nats.Conn, cfg Config) (*Watcher, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	cfg.DepthInterval = cmp.Or(cfg.DepthInterval, DefaultDepthInterval)
	cfg.PollInterval = cmp.Or(cfg.PollInterval, DefaultPollInterval)
	cfg.ProbeExpires = cmp.Or(cfg.ProbeExpires, DefaultProbeExpires)
	cfg.Logger = cmp.Or(cfg.Logger, zap.NewNop())
	return &Watcher{
		request: probeRequest(cfg),
		nc:      nc, js: js, cfg: cfg, log: cfg.Logger, inbox: nc.NewInbox() + ".",
		functions: map[function.Key]*watched{}, reading: map[*watched]struct{}{}, probes: map[string]*probe{},
		made: map[name]struct{}{}, changed: make(chan struct{}, 1),
		places: make(chan struct{}, readParallel), failingPlaces: make(chan struct{}, readParallelFailing),
	}, nil
}

// Watch begins to watch a function, or changes what is watched of it. onChange is called whenever its reading has changed,
// from a goroutine of the watcher: it must not block.
func (w *Watcher) Watch(key function.Key, consumers []stream.Consumer, onChange func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(key)
	f := &watched{key: key, onChange: onChange, loud: true}
	for _, c := range consumers {
		f.probes = append(f.probes, w.newProbe(f, c))
	}
	w.functions[key] = f
	w.reading[f] = struct{}{}
	if w.running && !w.polling {
		for _, p := range f.probes {
			w.park(p)
		}
	}
	w.signal()
}

// Unwatch ends watching a function. onChange may still be running when it returns, and is not called again.
func (w *Watcher) Unwatch(key function.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(key)
	w.signal()
}

func (w *Watcher) forget(key function.Key) {
	f := w.functions[key]
	if f == nil {
		return
	}
	for _, p := range f.probes {
		delete(w.probes, p.number)
		p.timer.Stop()
	}
	delete(w.functions, key)
	delete(w.reading, f)
}

// Connected reports whether the server can be asked at all. While it is not, readings stand as they were.
func (w *Watcher) Connected() bool { return w.nc.IsConnected() }

// Reading returns what is known of a function's work now.
func (w *Watcher) Reading(key function.Key) Reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.functions[key]; f != nil {
		return f.reading
	}
	return Reading{}
}

// signal tells Run that there may be something to read. The caller holds mu.
func (w *Watcher) signal() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// Run parks the probes and reads depths until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	if err := w.selfTest(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		w.log.Warn("probes do not work on this server, functions at zero are polled",
			zap.Error(err), zap.Duration("interval", w.cfg.PollInterval))
		w.mu.Lock()
		w.polling, w.tested = true, time.Now()
		w.mu.Unlock()
	}
	answers, err := w.nc.Subscribe(w.inbox+"*", w.answer)
	if err != nil {
		return fmt.Errorf("subscribe for probes: %w", err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	news, err := w.listen()
	if err != nil {
		return err
	}
	defer func() { _ = news.Unsubscribe() }()
	status := w.nc.StatusChanged(nats.CONNECTED)
	defer w.nc.RemoveStatusListener(status)
	w.lookAtServers() // none joins before the first probe
	w.begin()
	defer w.end()
	return w.loop(ctx, status)
}

// loop reads what is loud at every interval, and sleeps while nothing is.
func (w *Watcher) loop(ctx context.Context, status <-chan nats.Status) error {
	defer w.readers.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	servers := time.NewTicker(serversInterval)
	defer servers.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
		case <-timer.C:
		case <-servers.C:
			w.lookAtServers()
			continue
		case _, open := <-status:
			if !open {
				return nil
			}
			w.parkAll()
		}
		w.retest(ctx)
		if wait := w.readLoud(ctx); wait > 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
	}
}

// retest gives up polling once probes work: the server may only have been slow.
func (w *Watcher) retest(ctx context.Context) {
	w.mu.Lock()
	due := w.polling && time.Since(w.tested) >= retestInterval
	w.mu.Unlock()
	if !due {
		return
	}
	err := w.selfTest(ctx)
	w.mu.Lock()
	w.tested, w.polling = time.Now(), err != nil
	w.mu.Unlock()
	if err == nil {
		w.log.Info("probes work, polling ends")
		w.begin()
	}
}

// probeRequest is the body of a probe, by the server's API: durations in nanoseconds. A consumer without priority groups
// ignores the group.
func probeRequest(cfg Config) []byte {
	priority := stream.ProbePriority
	if cfg.AllWork {
		priority = stream.WorkerPriority
	}
	return fmt.Appendf(nil, `{"batch":1,"max_bytes":1,"expires":%d,"group":%q,"priority":%d}`,
		cfg.ProbeExpires.Nanoseconds(), stream.PriorityGroup, priority)
}

func requestSubject(c stream.Consumer) string {
	return strings.Join([]string{"$JS.API.CONSUMER.MSG.NEXT", c.Stream, c.Name}, ".")
}
