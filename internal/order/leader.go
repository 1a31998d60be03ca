package order

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// leader is the half of a replica that leads, for one term.
type leader struct {
	r       *Replica
	epoch   uint64
	opens   time.Time // when those who are absent are dead: no grant before, unless all have spoken
	changed chan struct{}
	dirty   chan struct{} // what must outlive us has changed, and something waits for its being written
	space   chan struct{} // there may be room for events

	valid  atomic.Int64  // nanoseconds of the replica's clock: until when we lead, unless we are told more
	outrun atomic.Uint64 // an epoch higher than ours that somebody has heard of; 0 is none

	sound soundness
	acks  *acks

	mu    sync.Mutex // guards what follows; grants are sent with it held, so that none is sent after the term
	board *board
	over  bool
}

// newLeader begins a term. Before it grants anything, all that may be at work for an earlier leader tell what they have, ourselves
// as well, or are dead.
func newLeader(r *Replica, epoch uint64, before *paper, now time.Time) *leader {
	l := &leader{
		r: r, epoch: epoch, opens: now.Add(deathAfter), board: newBoard(epoch, before.failures(now)),
		changed: make(chan struct{}, 1), dirty: make(chan struct{}, 1), space: make(chan struct{}, 1),
	}
	l.sound.nc = r.cfg.Conn
	l.acks = newAcks(r.cfg.Conn, &l.sound, r.log)
	l.board.absent[self] = struct{}{}
	for _, id := range before.atWork() {
		if id != r.me {
			l.board.absent[id] = struct{}{}
		}
	}
	return l
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// written is when we began to write the lease that we have.
func (l *leader) written() time.Time {
	return l.r.clock.start.Add(time.Duration(l.valid.Load()) - LeaseTime)
}

// extend notes that we lead for LeaseTime from a moment on.
func (l *leader) extend(from time.Time) {
	l.valid.Store(int64(l.r.clock.at(from.Add(LeaseTime))))
	poke(l.changed)
}

func (l *leader) leads(now time.Time) bool {
	return int64(l.r.clock.at(now)) < l.valid.Load()
}

// soundIn is told by a feed that a source is sound, and up to where all has come that is not settled.
func (l *leader) soundIn(upTo ID, session uint64) {
	l.mu.Lock()
	if l.board.high[upTo.Source].Sequence < upTo.Sequence {
		l.board.high[upTo.Source] = upTo
	}
	l.mu.Unlock()
	l.sound.in(upTo.Source, session)
	poke(l.changed)
	poke(l.acks.kick)
}

func (l *leader) unsound(source string) { l.sound.out(source) }

func (l *leader) isSound(source string) bool { return l.sound.of(source) }

// high is the sequence of the last event that has come of a source.
func (l *leader) high(source string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.board.high[source].Sequence
}

// run leads until ctx ends.
func (l *leader) run(ctx context.Context) {
	timer := time.NewTimer(beatEvery)
	defer timer.Stop()
	for {
		timer.Reset(l.dispatch(time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
		case <-timer.C:
		}
	}
}

// dispatch grants what can be granted, and returns how long to wait if nothing happens.
func (l *leader) dispatch(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return time.Hour
	}
	for _, id := range l.board.bury(now) {
		l.r.log.Warn("replica is not heard of any more, its events are given to others", zap.String("member", id))
	}
	if l.board.isUrgent() {
		poke(l.dirty)
	}
	if wait := l.opens.Sub(now); wait > 0 && !l.board.isOpen() {
		return wait
	}
	l.board.open()
	for l.leads(time.Now()) {
		g, ok := l.board.grant(time.Now(), l.sound.of)
		if !ok {
			break
		}
		l.send(&g)
	}
	if l.board.isUrgent() {
		poke(l.dirty)
	}
	if due, waits := l.board.nextDue(); waits {
		return max(time.Millisecond, min(time.Until(due), beatEvery))
	}
	return beatEvery
}

// send brings a grant to its member. One that cannot be sent is for ourselves.
func (l *leader) send(g *grant) {
	if g.to == self {
		l.r.worker.take(g)
		return
	}
	err := l.r.cfg.Conn.PublishMsg(g.encode(memberSubject(l.r.key, g.to)))
	if err == nil {
		return
	}
	g.event.Local = g.event.Local || errors.Is(err, nats.ErrMaxPayload)
	l.board.report(g.to, report{g.event.ID, g.ticket, g.event.Key, g.event.Attempt, Back, sendRest}, time.Now())
}

// sendRest is before a grant that could not be sent is tried again.
const sendRest = 200 * time.Millisecond

// hear takes a hello. The replica's own comes without NATS.
func (l *leader) hear(h *hello, own bool) answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return answer{}
	}
	if h.Epoch > l.epoch { // what we are to outlive has been deleted, and we began to count anew
		l.outrun.Store(max(h.Epoch, l.outrun.Load()))
		poke(l.dirty)
		return answer{}
	}
	id, now := h.Member, time.Now()
	if own {
		id = self
	}
	a := answer{Epoch: l.epoch}
	for _, r := range h.Reports {
		l.board.report(id, r, now)
		if !l.isDealtWith(&r) {
			a.Kept = append(a.Kept, r.ticket)
		}
	}
	if h.Epoch == l.epoch || h.Slots == leaves { // or it may take grants of another leader yet
		l.board.hear(id, h.Beat, h.Slots, h.Calls, now)
	}
	l.acks.add(l.board.takeAcks()...)
	poke(l.changed)
	poke(l.space)
	return a
}

// isDealtWith reports whether nobody needs to be told again of a grant's end. A settled event that has not come to us cannot be
// acknowledged yet, and perhaps never by us.
func (l *leader) isDealtWith(r *report) bool {
	return r.End != Settled || l.r.gone(r.Source) || l.board.hasPassed(r.ID) && l.sound.of(r.Source)
}

// onHello answers a hello that has come by NATS.
func (l *leader) onHello(m *nats.Msg) {
	h, err := decodeHello(m.Data)
	if err != nil {
		l.r.log.Warn("hello makes no sense, it is left alone", zap.Error(err))
		return
	}
	a := l.hear(&h, false)
	if a.Epoch == 0 || !l.leads(time.Now()) {
		return // whoever leads now answers
	}
	body, err := json.Marshal(a)
	if err == nil {
		err = m.Respond(body)
	}
	if err != nil {
		l.r.log.Debug("hello not answered", zap.Error(err))
	}
}

// take is given an event by a feed.
func (l *leader) take(f *feed, d delivered) {
	e := l.r.cfg.Arrived(f.index, d.msg)
	if e == nil {
		return // it needs no call, and is acknowledged
	}
	e.ID, e.Msg, e.Deliveries = ID{d.source, d.sequence, d.stored}, d.msg, d.count
	e.Attempt = max(1, e.Attempt)
	if planted(bugKeyless) {
		e.Key += d.msg.Reply
	}
	former := l.r.know(d.source, f.index)
	l.mu.Lock()
	l.acks.retire(former)
	l.board.retire(former, time.Now())
	if l.board.isReused(e.ID) {
		l.r.log.Warn("the server gives sequences again whose messages it has lost", zap.Uint64("sequence", e.Sequence))
		l.acks.drop(e.isReuseOf)
		l.board.lose(e, time.Now())
	}
	known := l.over || l.board.add(e, time.Now())
	l.mu.Unlock()
	if !known {
		l.acks.add(e)
		return
	}
	poke(l.changed)
}

// room waits until there is room for events. While we do not lead there is none: another one may, and what we ask for would be
// missing there.
func (l *leader) room(ctx context.Context, before bool) (events, bytes int) {
	for {
		l.mu.Lock()
		events, bytes = l.board.room()
		l.mu.Unlock()
		if before {
			events, bytes = pullAtMost, 0
		}
		if events > 0 && l.leads(time.Now()) {
			return events, bytes
		}
		select {
		case <-ctx.Done():
			return 0, 0
		case <-l.space:
		case <-time.After(beatEvery):
		}
	}
}

// paper is what must outlive us, and its version.
func (l *leader) paper() (p paper, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.board.prune(l.r.gone)
	p = paper{Epoch: l.epoch, Members: l.board.names(), At: time.Now()}
	for id, f := range l.board.failing {
		p.Failing = append(p.Failing, failing{id, f})
	}
	return p, l.board.version
}

func (l *leader) wrote(version uint64) {
	l.mu.Lock()
	l.board.wrote(version, time.Now())
	l.mu.Unlock()
	poke(l.changed)
}

// end ends the term: nothing is granted after it. It returns what waits, in its order, and whether nothing is at work as far as we
// know.
func (l *leader) end() (waiting []*Event, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, lane := range l.board.lanes {
		waiting = append(waiting, lane.waiting...)
	}
	slices.SortFunc(waiting, func(a, b *Event) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Sequence, b.Sequence))
	})
	return waiting, l.board.outs == 0 && l.board.isOpen()
}

// hasOthers reports whether other replicas work.
func (l *leader) hasOthers() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.board.members {
		if id != self {
			return true
		}
	}
	return false
}

// messages returns the messages of all events that are held, for who keeps them alive.
func (l *leader) messages() []*nats.Msg {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ms []*nats.Msg
	for lane := range maps.Values(l.board.lanes) {
		for _, e := range lane.waiting {
			ms = append(ms, e.Msg)
		}
		if lane.event != nil {
			ms = append(ms, lane.event.Msg)
		}
	}
	return ms
}

// work is how many calls could be made now beside those that are; at least one if anything waits and nothing is at work.
func (l *leader) work() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.board.runnable()
	if n == 0 && l.board.outs == 0 && len(l.board.held) > 0 {
		return 1
	}
	return n
}
