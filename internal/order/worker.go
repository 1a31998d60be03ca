package order

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// Call is a granted event on its way through a handler.
type Call struct {
	Source  int // index of the consumer among the function's, -1 if it is not known here
	Msg     *nats.Msg
	Attempt int
	Lost    int    // how often a worker went away with this event
	Epoch   uint64 // of the leader that has granted it

	g      grant
	worker *worker
}

// Context ends when the call must be cut: nobody can hear of us, so that the event is about to be given to another.
func (c *Call) Context() context.Context { return c.worker.contact() }

// May reports whether the call may begin, at the last moment before it does.
func (c *Call) May() bool { return c.worker.may(&c.g) }

// End says what became of the call. It must be called once for each.
func (c *Call) End(end string, delay time.Duration) { c.worker.end(&c.g, end, delay) }

// worker is the half of a replica that works. It beats, takes grants and reports.
type worker struct {
	r     *Replica
	calls chan *Call // what was granted, for who makes the calls; never closed, as long as the slots
	kick  chan struct{}

	mu       sync.Mutex
	epoch    uint64 // the highest that we have heard of
	slots    int
	last     beat      // that has told all we have; what is told in between is told with it
	sent     [8]beatAt // when the last of these were sent
	whole    bool      // the next beat tells all
	have     map[ID]call
	reports  []report
	heard    time.Time // when the last beat was sent that somebody, or the server for nobody, has answered
	leader   time.Time // when a leader answered last
	alone    context.Context
	cut      context.CancelFunc
	deadline *time.Timer // cuts when nobody has heard of us for too long
	stopping bool
}

type beatAt struct {
	number uint64
	at     time.Time
}

func newWorker(r *Replica) *worker {
	return &worker{
		r: r, calls: make(chan *Call, r.cfg.Slots), kick: make(chan struct{}, 1), slots: r.cfg.Slots, have: map[ID]call{},
	}
}

func (w *worker) contact() context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.alone
}

// begin is called before the first grant can come.
func (w *worker) begin(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard, w.whole = time.Now(), true
	w.alone, w.cut = context.WithCancel(context.WithoutCancel(ctx))
	w.deadline = time.AfterFunc(cutAfter, w.expire)
}

// expire cuts what runs, unless somebody has heard of us meanwhile.
func (w *worker) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if left := cutAfter - time.Since(w.heard); left > 0 {
		w.deadline.Reset(left)
		return
	}
	w.cut()
}

// contacted notes that what we sent at a moment was heard.
func (w *worker) contacted(ctx context.Context, at time.Time) {
	if !at.After(w.heard) {
		return
	}
	w.heard = at
	left := cutAfter - time.Since(at)
	if left <= 0 {
		return
	}
	if w.alone.Err() != nil {
		w.alone, w.cut = context.WithCancel(context.WithoutCancel(ctx))
	}
	w.deadline.Reset(left)
}

// isLed reports whether a leader has answered just now.
func (w *worker) isLed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.leader) < 2*beatEvery
}

// run beats until ctx ends.
func (w *worker) run(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		w.beat(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.tellAll()
		case <-w.kick:
		}
	}
}

func (w *worker) tellAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = true
}

func (w *worker) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// beat tells the leader that we live, what we have, and what became of it.
func (w *worker) beat(ctx context.Context) {
	h, at := w.hello()
	a, contact := w.r.greet(ctx, &h, at)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.contacted(ctx, contact)
	if a == nil || a.Epoch == 0 || a.Epoch < w.epoch {
		return
	}
	if a.Epoch > w.epoch {
		w.whole = true // it works with us once it knows that we take nothing from others
		w.wake()
	}
	w.epoch, w.leader = a.Epoch, time.Now()
	w.reports = slices.DeleteFunc(w.reports, func(r report) bool {
		return slices.Contains(h.Reports, r) && !slices.Contains(a.Kept, r.ticket)
	})
}

func (w *worker) hello() (hello, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	h := hello{Member: w.r.me, Epoch: w.epoch, Slots: w.slots, Reports: slices.Clone(w.reports)}
	if w.whole {
		w.last = beat{w.last.Number + 1, w.r.clock.at(now)}
		w.sent[w.last.Number%uint64(len(w.sent))] = beatAt{w.last.Number, now}
		h.Calls = make([]call, 0, len(w.have))
		for _, c := range w.have {
			h.Calls = append(h.Calls, c)
		}
	}
	h.Beat, w.whole = w.last, false
	return h, now
}

// take takes a grant. One that may not begin goes back.
func (w *worker) take(g *grant) {
	w.mu.Lock()
	w.have[g.event.ID] = call{g.event.ID, g.ticket, g.event.Key}
	w.mu.Unlock()
	c := &Call{
		Source: w.r.indexOf(g.event.Source), Msg: g.event.Msg, Attempt: g.event.Attempt, Lost: g.event.Lost,
		Epoch: g.ticket.Epoch, g: *g, worker: w,
	}
	if !w.may(g) || c.Source < 0 {
		w.end(g, Back, 0)
		return
	}
	select {
	case w.calls <- c:
	default: // a leader that does not count
		w.end(g, Back, 0)
	}
}

// may reports whether a grant is of the latest leader that we know, and not older than the beat that it names allows.
func (w *worker) may(g *grant) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	named := w.sent[g.beat.Number%uint64(len(w.sent))]
	fresh := named.number == g.beat.Number && time.Since(named.at) <= GrantTime
	return fresh && g.ticket.Epoch >= w.epoch && !w.stopping
}

func (w *worker) end(g *grant, end string, delay time.Duration) {
	w.mu.Lock()
	if c, ok := w.have[g.event.ID]; ok && c.ticket == g.ticket {
		delete(w.have, g.event.ID)
	}
	w.reports = append(w.reports, report{g.event.ID, g.ticket, g.event.Key, g.event.Attempt, end, delay})
	w.mu.Unlock()
	w.wake()
}

// offer says how many calls we take at a time.
func (w *worker) offer(slots int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopping || slots == leaves {
		w.slots = slots
	}
	w.wake()
}

// stop has nothing begin any more. What was granted and not begun goes back.
func (w *worker) stop() {
	w.mu.Lock()
	w.stopping, w.slots = true, 0
	w.mu.Unlock()
	w.wake()
	for {
		select {
		case c := <-w.calls:
			c.End(Back, 0)
		default:
			return
		}
	}
}

// leave says good-bye, once all calls have ended: what they came to is reported before, or never.
func (w *worker) leave(ctx context.Context) {
	for ctx.Err() == nil {
		w.tellAll()
		w.beat(ctx)
		w.mu.Lock()
		left := len(w.reports)
		lonely := time.Since(w.leader) > takeover
		w.mu.Unlock()
		if left == 0 || lonely {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(beatEvery / 7):
		}
	}
	w.offer(leaves)
	w.sayGoodbye(ctx)
	w.deadline.Stop()
	w.cut()
}

// sayGoodbye waits for an answer as long as it takes until somebody leads: whoever does not hear it waits for us much longer.
func (w *worker) sayGoodbye(ctx context.Context) {
	for range goodbyes {
		before := time.Now()
		w.tellAll()
		w.beat(ctx)
		w.mu.Lock()
		answered := w.leader.After(before)
		w.mu.Unlock()
		if answered {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(beatEvery):
		}
	}
}

// goodbyes is how often one is said at most.
const goodbyes = 3

// onGrant takes a grant that has come by NATS.
func (w *worker) onGrant(m *nats.Msg) {
	g, err := decodeGrant(m)
	if err != nil {
		w.r.log.Warn("grant makes no sense, it is left alone", zap.Error(err))
		return
	}
	w.take(&g)
}

// greet gives a hello to the leader: ourselves, or over NATS. contact is when we sent the last thing that somebody has heard, or
// of which the server says that nobody leads; zero if that is not this hello. A leader that hears itself is no sign that others
// can hear it: what counts is when it began to write its lease.
func (r *Replica) greet(ctx context.Context, h *hello, now time.Time) (a *answer, contact time.Time) {
	if l := r.leading(); l != nil {
		a := l.hear(h, true)
		return &a, l.written()
	}
	body, err := json.Marshal(h)
	if err != nil {
		r.log.Error("hello not encoded", zap.Error(err))
		return nil, contact
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatEvery*2)
	defer cancel()
	m, err := r.cfg.Conn.RequestWithContext(ctx, helloSubject(r.key), body)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, now
	}
	if err != nil {
		return nil, contact
	}
	a = &answer{}
	if err := json.Unmarshal(m.Data, a); err != nil {
		r.log.Warn("answer to a hello makes no sense", zap.Error(err))
		return nil, contact
	}
	return a, now
}
