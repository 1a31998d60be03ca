package sidecar

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/stream"
)

const (
	// instant is the service time below which a handler is given as many events ahead as it has slots: it is done with them
	// before they could be of use elsewhere.
	instant = 2 * time.Millisecond

	// settleGrace is how long, once calls have been cut, settling may take before it is given up.
	settleGrace = 3 * time.Second
)

// Sidecar delivers the events of one function to one handler.
type Sidecar struct {
	cfg      Config
	fn       *function.Function
	key      function.Key
	fullName string // namespace/name
	nc       *nats.Conn
	js       jetstream.JetStream
	inv      invoke.Invoker
	log      *zap.Logger
	metrics  *functionMetrics

	retrySubject string
	concurrency  int64 // events in flight
	timeout      time.Duration

	sources []*source
	inbox   chan *nats.Msg // written by the connection, read by workers; never closed
	slots   []slot
	batches *batches // nil: the handler gets one event per call

	held     atomic.Int64 // messages taken from the inbox and not settled
	service  atomic.Int64 // smoothed nanoseconds inside the handler
	paused   atomic.Bool  // the handler does not listen
	draining atomic.Bool
	leaving  atomic.Bool   // the connection is about to be made anew: nothing is asked for
	open     atomic.Bool   // the handler has been ready: messages may be asked for
	cut      chan struct{} // closed by Cut
	cutOnce  sync.Once
	turn     atomic.Uint32 // which source is asked first
	ready    chan struct{} // closed when the handler first accepted calls
	readyAt  time.Time     // written before ready is closed

	workers sync.WaitGroup
	helpers sync.WaitGroup
	janitor janitor
	busy    busyness
	acker   *acker
	circuit circuit
	ordered *ordered // nil without an order
}

// New makes a sidecar. The function's streams and consumers must exist (stream.EnsureFunction). nc must not buffer publishes
// while it is down (nats.ReconnectBufSize(-1)): a record must fail rather than be stored some time later.
func New(nc *nats.Conn, inv invoke.Invoker, cfg Config) (*Sidecar, error) {
	cfg = cfg.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	fn := cfg.Function
	retrySubject, err := event.WorkSubject(fn.Metadata.Namespace, fn.Metadata.Name, "retry")
	if err != nil {
		return nil, err
	}
	s := &Sidecar{
		cfg: cfg, fn: fn, key: fn.Key(), nc: nc, js: js, inv: inv,
		fullName:     fn.Metadata.Namespace + "/" + fn.Metadata.Name,
		log:          cfg.Logger.With(zap.String("function", fn.Key().String()), zap.String("replica", cfg.Replica)),
		metrics:      cfg.Metrics.of(fn.Metadata.Namespace, fn.Metadata.Name, fn.Spec.Batch != nil),
		retrySubject: retrySubject, concurrency: int64(fn.Spec.InFlight()), timeout: time.Duration(fn.Spec.Timeout),
		ready: make(chan struct{}), cut: make(chan struct{}),
	}
	s.acker = newAcker(nc, cfg.AckWait, s.log)
	s.slots = make([]slot, s.concurrency)
	if s.batches, err = newBatches(fn.Spec.Batch, max(1, fn.Spec.Concurrency), inv); err != nil {
		return nil, err
	}
	s.janitor.kick, s.busy.kick, s.circuit.moved = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	return s, s.addSources()
}

func (s *Sidecar) addSources() error {
	consumers := stream.ConsumersOf(s.fn)
	for _, c := range consumers {
		selector, err := filter.NewSelector(s.fn, c.Triggers)
		if err != nil {
			return err
		}
		s.sources = append(s.sources, newSource(s.nc, c, selector))
	}
	// Each source can be owed a full window, and as much again by requests that a lost connection made us forget; a message
	// for which there is no room would be delivered again only after AckWait.
	s.inbox = make(chan *nats.Msg, 64+8*s.concurrency*int64(len(consumers)))
	return s.addOrder(consumers)
}

// Ready is closed once the handler accepts calls and pulling begins.
func (s *Sidecar) Ready() <-chan struct{} { return s.ready }

// InFlight is how many events are in the handler or being settled.
func (s *Sidecar) InFlight() int { return int(s.held.Load()) }

// ServiceTime is the smoothed time per event inside the handler, 0 before the first.
func (s *Sidecar) ServiceTime() time.Duration { return time.Duration(s.service.Load()) }

// Paused reports whether pulling rests because the handler does not listen.
func (s *Sidecar) Paused() bool { return s.paused.Load() }

// Run delivers until ctx ends, and then drains. It returns nil after a drain, and an error only if it could not begin.
func (s *Sidecar) Run(ctx context.Context) error {
	if err := s.startSources(); err != nil {
		return err
	}
	reading, read := context.WithCancel(ctx)
	known := s.readEpochs(reading)
	defer func() {
		read()
		<-known
	}()
	if err := s.inv.WaitReady(ctx); err != nil {
		s.stopSources()
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("wait for the handler: %w", err)
	}
	s.readyAt = time.Now()

	p := newPhases(ctx)
	defer p.end()
	s.startWorkers(p)
	s.helpers.Go(func() { s.acker.run(p.records) })
	connected := s.nc.StatusChanged(nats.CONNECTED) // from before the first request, or its loss could be missed
	s.helpers.Go(func() { s.watchConnection(p.records, connected) })
	s.helpers.Go(func() { s.keepHouse(p.records) })
	if subject, err := event.BusySubject(s.key.Namespace, s.key.Name, s.cfg.Replica); s.cfg.TellBusy && err == nil {
		s.helpers.Go(func() { s.tellBusy(p.records, subject) })
	}
	s.helpers.Go(func() { s.openWhen(p, known) })
	close(s.ready)

	<-ctx.Done()
	s.drain(p)
	p.end()
	s.helpers.Wait()
	s.acker.finish()
	s.flush()
	return nil
}

// openWhen begins to ask for messages, or to take part in the order.
func (s *Sidecar) openWhen(p *phases, known <-chan struct{}) {
	select {
	case <-p.intake.Done():
		return
	case <-known:
	}
	if s.ordered != nil {
		s.ordered.run(p)
		return
	}
	s.open.Store(true)
	s.ask()
}

// startSources has every source ready to ask. Where there is an order, its leader asks in their place.
func (s *Sidecar) startSources() error {
	for _, src := range s.sources {
		if s.ordered != nil {
			break
		}
		if err := src.start(s.inbox, s.credit); err != nil {
			s.stopSources()
			return fmt.Errorf("subscribe for consumer %s: %w", src.consumer.Name, err)
		}
	}
	return nil
}

// instantHandler reports whether the handler is done with events before they could be of use elsewhere.
func (s *Sidecar) instantHandler() bool {
	t := s.service.Load()
	return t > 0 && time.Duration(t) < instant
}

// window is how many messages of one source may be on their way or in work.
func (s *Sidecar) window() int64 {
	if s.instantHandler() {
		return 2 * s.concurrency
	}
	return s.concurrency
}

// credit is how many messages one source may ask for now, what it has asked for included. What another source has brought
// and no slot has taken comes first: otherwise a busy source would keep the others from ever getting a slot.
func (s *Sidecar) credit() int64 {
	switch {
	case !s.open.Load() || s.paused.Load() || s.draining.Load() || s.leaving.Load(), s.circuit.open():
		return 0
	case s.instantHandler():
		return 2*s.concurrency - s.held.Load()
	default:
		return s.concurrency - s.held.Load() - int64(len(s.inbox))
	}
}

// ask lets every source ask for what there is room for.
func (s *Sidecar) ask() {
	credit, window := s.credit(), s.window()
	if credit < 1 {
		return
	}
	// All may ask for the same free slot, and the first is often served first: each has its turn.
	first := int(s.turn.Add(1))
	for i := range s.sources {
		s.sources[(first+i)%len(s.sources)].ask(credit, window)
	}
}

// pause rests until the handler accepts calls again. What had been asked for still comes and is handed back. It is called by
// a worker, and its goroutine is awaited with the workers.
func (s *Sidecar) pause(p *phases) {
	if p.intake.Err() != nil || !s.paused.CompareAndSwap(false, true) {
		return
	}
	s.log.Info("handler does not listen, pulling rests")
	s.withdraw()
	s.offer(0)
	s.workers.Add(1)
	go func() {
		defer s.workers.Done()
		if s.inv.WaitReady(p.intake) == nil {
			s.log.Info("handler listens again")
		}
		s.paused.Store(false)
		s.offer(len(s.slots))
		s.ask()
	}()
}

// watchConnection forgets what was asked for when the connection was lost: the server did too.
func (s *Sidecar) watchConnection(ctx context.Context, connected chan nats.Status) {
	defer s.nc.RemoveStatusListener(connected)
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-connected:
			if !open {
				return
			}
			for _, src := range s.sources {
				src.startOver()
			}
			s.ask()
		}
	}
}
