package order

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Config is what a replica needs.
type Config struct {
	Function  *function.Function
	Consumers []stream.Consumer // of the function; their places are what Call.Source names
	Conn      *nats.Conn
	Name      string // of the replica, for people
	Slots     int    // calls at a time

	// AckWait is that of the consumers; what waits is kept alive at a third of it.
	AckWait time.Duration

	// Arrived looks at a message that has come, and returns its key, its attempt and whether it must stay with us; or nil if it
	// needs no call and is acknowledged. It is called from one goroutine for each consumer.
	Arrived func(source int, m *nats.Msg) *Event

	Logger *zap.Logger // nil logs nothing
}

// Replica takes part in the order of one function: it works, and leads if nobody else does.
type Replica struct {
	cfg    Config
	key    function.Key
	me     string
	clock  clock
	js     jetstream.JetStream
	lease  *lease
	worker *worker
	log    *zap.Logger

	leader atomic.Pointer[leader] // nil while another one leads

	mu    sync.Mutex
	index map[string]int // of the consumers by source

	outrun uint64 // the highest epoch that was heard of while we led with a lower one
}

// New makes a replica. It does nothing until Run.
func New(cfg Config) (*Replica, error) {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.Conn.Opts.ReconnectBufSize != -1 {
		return nil, errors.New("the connection keeps what is published while it is broken: want nats.ReconnectBufSize(-1), as an " +
			"acknowledgement must not be sent to a server that has forgotten what was before it")
	}
	me := nuid.Next()
	l, err := newLease(cfg.Conn, cfg.Function.Key(), me, cfg.Name)
	if err != nil {
		return nil, err
	}
	r := &Replica{
		cfg: cfg, key: cfg.Function.Key(), me: me, clock: clock{time.Now()}, js: l.js, lease: l, log: cfg.Logger,
		index: map[string]int{},
	}
	r.worker = newWorker(r)
	return r, nil
}

// Calls brings what is granted to us. Each call must be given its End.
func (r *Replica) Calls() <-chan *Call { return r.worker.calls }

// Offer says how many calls may be granted to us at a time, from now on. What was granted is not taken back.
func (r *Replica) Offer(slots int) { r.worker.offer(slots) }

// Waiting is how many more calls could be made at this moment, by any replica, if we lead; else 0.
func (r *Replica) Waiting() int {
	if l := r.leading(); l != nil {
		return l.work()
	}
	return 0
}

// Leads reports whether we lead.
func (r *Replica) Leads() bool { return r.leading() != nil }

func (r *Replica) leading() *leader { return r.leader.Load() }

// indexOf is the place of the consumer that a source is of: by its name, as the source also says when it was made.
func (r *Replica) indexOf(source string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, ok := r.index[source]; ok {
		return i
	}
	for i, c := range r.cfg.Consumers {
		if isOf(source, c) {
			return i
		}
	}
	return -1
}

// know notes that something of a source has come, and returns the earlier lives of its consumer.
func (r *Replica) know(source string, index int) (former []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.index[source]; known {
		return nil
	}
	for other, i := range r.index {
		if i == index {
			former = append(former, other)
			delete(r.index, other)
		}
	}
	r.index[source] = index
	return former
}

// gone reports whether a source is none of ours any more: the function has no such consumer, or the consumer has begun another
// life. One of which nothing has come yet is not gone: whoever takes over knows none at first.
func (r *Replica) gone(source string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.index[source]; known {
		return false
	}
	for i, c := range r.cfg.Consumers {
		if isOf(source, c) {
			return slices.Contains(slices.Collect(maps.Values(r.index)), i)
		}
	}
	return true
}

// Run takes part until ctx ends. Then it gives up leading, has nothing begin any more, and waits for finished to be closed:
// all calls have ended by then. It returns when they are reported, or nobody hears of it.
func (r *Replica) Run(ctx context.Context, finished <-chan struct{}) {
	grants, err := r.cfg.Conn.Subscribe(memberSubject(r.key, r.me), r.worker.onGrant)
	if err != nil {
		r.log.Error("grants cannot be taken, the connection is closed", zap.Error(err))
		return
	}
	defer func() { _ = grants.Unsubscribe() }()
	r.worker.begin(ctx)
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	var all sync.WaitGroup
	all.Go(func() { r.worker.run(working) })
	all.Go(func() { r.seek(ctx, finished) })
	<-ctx.Done()
	r.worker.stop()
	<-finished
	stopWorking()
	all.Wait()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), takeover)
	defer done()
	r.worker.leave(last)
}

// seek leads whenever nobody else does, until ctx ends.
func (r *Replica) seek(ctx context.Context, finished <-chan struct{}) {
	var seen watch
	for ctx.Err() == nil {
		if r.worker.isLed() {
			seen = watch{}
		} else if term := r.tryToLead(ctx, &seen); term != nil {
			r.lead(ctx, term, finished)
			seen = watch{}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(beatEvery):
		}
	}
}

// tryToLead returns a leader if the lease was free and is ours now.
func (r *Replica) tryToLead(ctx context.Context, seen *watch) *leader {
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	p, err := r.lease.read(ctx)
	if err != nil {
		r.log.Debug("lease not read", zap.Error(err))
		return nil
	}
	now := time.Now()
	if !seen.free(p, r.lease.last, now) {
		return nil
	}
	next := p
	next.Epoch, next.Released, next.Idle = max(p.Epoch, r.lease.last, r.outrun)+1, false, false
	next.Members = p.atWork()
	if err := r.lease.write(ctx, next); err != nil {
		if !errors.Is(err, errTaken) {
			r.log.Warn("lease not written", zap.Error(err))
		}
		return nil
	}
	l := newLeader(r, next.Epoch, &p, time.Now())
	l.extend(now)
	return l
}

// writeWait is for one reading or writing of the lease.
const writeWait = 2 * time.Second

// lead leads for one term: until ctx ends, or another replica has the lease.
func (r *Replica) lead(ctx context.Context, l *leader, finished <-chan struct{}) {
	r.log.Info("leads the order of its function", zap.Uint64("epoch", l.epoch))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hellos, err := r.cfg.Conn.Subscribe(helloSubject(r.key), l.onHello)
	if err != nil {
		r.log.Warn("hellos not subscribed to, the lease is left to others", zap.Error(err))
		return
	}
	r.leader.Store(l)
	r.worker.tellAll()
	r.worker.wake()
	var all sync.WaitGroup
	for i, c := range r.cfg.Consumers {
		f := &feed{nc: r.cfg.Conn, js: r.js, consumer: c, index: i, sink: l, log: r.log}
		all.Go(func() { f.run(ctx) })
	}
	all.Go(func() { l.run(ctx) })
	acking, stopAcking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAcking()
	all.Go(func() { l.acks.run(acking) })
	all.Go(func() { l.keepAlive(ctx) })
	taken := r.renew(ctx, l)
	cancel()
	if !taken && r.outrun == 0 {
		taken = r.linger(ctx, l, finished)
	}
	waiting, idle := l.end()
	r.leader.Store(nil)
	_ = hellos.Unsubscribe()
	stopAcking()
	all.Wait()
	if taken {
		r.log.Warn("another replica leads now", zap.Uint64("epoch", l.epoch))
		return
	}
	r.giveUp(ctx, l, waiting, idle)
}

// renew writes the lease again and again, and reports whether another replica has it when it returns.
func (r *Replica) renew(ctx context.Context, l *leader) (taken bool) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		case <-l.dirty:
		}
		if r.outrun = l.outrun.Load(); r.outrun > 0 {
			r.log.Warn("a later leader was heard of than the lease knows, it is taken anew", zap.Uint64("epoch", r.outrun))
			return false
		}
		err := r.writeTerm(ctx, l)
		if errors.Is(err, errTaken) {
			return true
		}
		if err != nil && ctx.Err() == nil {
			r.log.Warn("lease not written, trying again", zap.Error(err))
		}
	}
}

// linger keeps the lease of a replica that stops until its calls have ended, so that what they came to is written down. It leaves
// that to others if there are any.
func (r *Replica) linger(ctx context.Context, l *leader, finished <-chan struct{}) (taken bool) {
	ctx = context.WithoutCancel(ctx)
	for !l.hasOthers() {
		select {
		case <-finished:
			r.worker.beat(ctx)
			return false
		case <-time.After(beatEvery):
		}
		if err := r.writeTerm(ctx, l); errors.Is(err, errTaken) {
			return true
		}
	}
	return false
}

func (r *Replica) writeTerm(ctx context.Context, l *leader) error {
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	p, version := l.paper()
	now := time.Now()
	if err := r.lease.write(ctx, p); err != nil {
		return err
	}
	l.extend(now)
	l.wrote(version)
	return nil
}

// giveUp hands back what waits and releases the lease, so that another replica need not wait for its end.
func (r *Replica) giveUp(ctx context.Context, l *leader, waiting []*Event, idle bool) {
	for _, e := range waiting {
		if err := r.cfg.Conn.Publish(e.Msg.Reply, []byte("-NAK")); err != nil {
			break // the next leader calls them back
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeWait)
	defer cancel()
	p, _ := l.paper()
	p.Released, p.Idle = true, idle
	if err := r.lease.write(ctx, p); err != nil {
		r.log.Info("lease not released, others wait for its end", zap.Error(err))
	}
}

// keepAlive tells the server that what we hold is being worked on.
func (l *leader) keepAlive(ctx context.Context) {
	tick := time.NewTicker(l.r.cfg.AckWait / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !l.leads(time.Now()) {
			continue
		}
		for _, m := range l.messages() {
			if l.r.cfg.Conn.Publish(m.Reply, []byte("+WPI")) != nil {
				break
			}
		}
	}
}
