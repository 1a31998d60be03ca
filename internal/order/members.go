package order

import (
	"slices"
	"time"
)

// call is what a worker has in work.
type call struct {
	ID
	ticket
	Key string `json:"k"`
}

// leaves is the number of slots that a member tells who will begin nothing any more.
const leaves = -1

// hear notes a beat of a member. calls is everything that it has been granted and has not reported; nil says nothing of it.
func (b *board) hear(id string, at beat, slots int, calls []call, now time.Time) {
	m := b.members[id]
	if slots == leaves {
		if m != nil {
			b.part(m, now)
		}
		delete(b.absent, id)
		return
	}
	if m == nil {
		if calls == nil {
			return // it says the rest with its next one
		}
		m = b.join(id)
	}
	m.heard = now
	m.slots = slots
	if at.Number > m.beat.Number {
		m.beat = at
	}
	if calls == nil {
		return
	}
	for _, c := range calls {
		b.adopt(m, c, now)
	}
	for _, l := range m.out {
		// A grant that is not there has not arrived, or was not begun in time. It may be on its way until it is too old.
		late := at.At-l.granted.At > GrantTime
		if late && !slices.ContainsFunc(calls, func(c call) bool { return c.ID == l.out }) {
			b.release(l, now)
		}
	}
}

// join takes a member in. It is granted something only when it is written down that it may have something: the next leader waits
// for its word.
func (b *board) join(id string) *member {
	m := &member{id: id, out: map[ID]*lane{}}
	b.members[id] = m
	delete(b.absent, id)
	if id != self {
		b.version++
		m.version = b.version
	}
	return m
}

// adopt takes over what a member was granted by another leader.
func (b *board) adopt(m *member, c call, now time.Time) {
	if _, done := b.settled[c.ID]; done {
		return
	}
	if c.Epoch < b.epoch {
		b.prove(c.Key, c.ID, now)
	}
	l := b.lane(c.Key)
	if l.member != "" {
		return
	}
	if have := b.held[c.ID]; have != nil {
		i := slices.IndexFunc(have.waiting, func(e *Event) bool { return e.ID == c.ID })
		if have != l || i < 0 {
			b.drop(l)
			return // its key is another by our manifest
		}
		l.event = l.waiting[i]
		l.waiting = slices.Delete(l.waiting, i, i+1)
	} else if b.hasPassed(c.ID) && c.Epoch >= b.epoch {
		b.drop(l)
		return // it was settled here
	} // else it has not come yet, or has been deleted while it is being worked on
	b.take(l, m, c.ID, c.ticket)
}

// drop forgets a lane that has nothing to do.
func (b *board) drop(l *lane) {
	if l.member == "" && len(l.waiting) == 0 {
		delete(b.lanes, l.key)
	}
}

// report takes what a member says of one of its grants.
func (b *board) report(id string, r report, now time.Time) {
	m := b.members[id]
	var l *lane
	if m != nil {
		l = m.out[r.ID]
	}
	if l == nil || l.ticket != r.ticket {
		b.reportLate(r, now)
		return
	}
	e := l.event
	b.free(m, l)
	switch {
	case r.End == Settled:
		if e == nil {
			b.noteSettled(r.ID)
		} else {
			b.settle(e)
		}
		l.due, l.version = time.Time{}, 0
		b.begin(l)
	case e == nil: // it has not come to us: it will
		b.noteAgain(r, now)
	case b.isRetired(r.Source) || e.lost:
		b.forget(e)
		l.due, l.version = time.Time{}, 0
		b.begin(l)
	default:
		b.retry(l, e, r, now)
	}
	b.next(l, now)
}

// retry puts an event back to the front of its key.
func (b *board) retry(l *lane, e *Event, r report, now time.Time) {
	l.due, l.version = now.Add(r.Delay), 0
	if e.marked {
		e.marked = false
		e.Lost--
		b.fail(e, l.due)
	}
	if r.End == Again {
		e.Attempt++
		e.Lost = 0
		b.fail(e, l.due)
		l.version = b.version
	}
	l.waiting = slices.Insert(l.waiting, 0, e)
}

// reportLate is for what was granted again meanwhile, or never by us.
func (b *board) reportLate(r report, now time.Time) {
	if b.isRetired(r.Source) {
		return
	}
	if r.Epoch < b.epoch {
		b.prove(r.Key, r.ID, now)
	}
	l := b.held[r.ID]
	if l == nil && r.End == Settled {
		b.noteSettled(r.ID)
	}
	if r.End == Again && r.Epoch < b.epoch {
		b.failedBefore(l, r, now)
	}
	if l == nil || r.End != Settled {
		return
	}
	i := slices.IndexFunc(l.waiting, func(e *Event) bool { return e.ID == r.ID })
	if i < 0 || l.member != "" && l.out.isBefore(r.ID) {
		return // it is being worked on once more, or what was before it is: then it comes again after that
	}
	b.acks = append(b.acks, l.waiting[i])
	b.remove(l, now, func(e *Event) bool { return e.ID == r.ID })
}

// settle has an event that is settled be acknowledged, if that is still possible.
func (b *board) settle(e *Event) {
	b.forget(e)
	if !e.lost && !b.isRetired(e.Source) {
		b.acks = append(b.acks, e)
	}
}

// noteSettled notes that an event is settled that is still to come.
func (b *board) noteSettled(id ID) {
	if !b.hasPassed(id) {
		b.settled[id] = struct{}{}
	}
}

// noteAgain notes that an attempt has failed of an event that is not in our hands.
func (b *board) noteAgain(r report, now time.Time) {
	f := b.failing[r.ID]
	b.version++
	b.failing[r.ID] = Failure{max(f.Attempt, r.Attempt+1), f.Lost, now.Add(r.Delay)}
}

// failedBefore takes an attempt that has failed while nobody led, of an event that waits here or is still to come. It may be told
// more than once.
func (b *board) failedBefore(l *lane, r report, now time.Time) {
	if l == nil {
		if !b.hasPassed(r.ID) && b.failing[r.ID].Attempt <= r.Attempt {
			b.noteAgain(r, now)
		}
		return
	}
	i := slices.IndexFunc(l.waiting, func(e *Event) bool { return e.ID == r.ID })
	if i < 0 || l.waiting[i].Attempt > r.Attempt {
		return
	}
	b.noteAgain(r, now)
	l.waiting[i].Attempt = b.failing[r.ID].Attempt
	if i > 0 {
		return
	}
	l.due, l.version = b.failing[r.ID].Due, b.version
	if l.state != saving {
		l.state = idle
	}
	b.next(l, now)
}

// begin has the first event of a lane wait as long as it must.
func (b *board) begin(l *lane) {
	if len(l.waiting) > 0 {
		l.due = b.failing[l.waiting[0].ID].Due
	}
}

// forget drops an event that is settled.
func (b *board) forget(e *Event) {
	delete(b.held, e.ID)
	b.bytes -= len(e.Msg.Data)
	if _, failed := b.failing[e.ID]; failed {
		delete(b.failing, e.ID)
		b.version++
	}
}

// free ends that a lane's event is out.
func (b *board) free(m *member, l *lane) {
	delete(m.out, l.out)
	b.outs--
	l.member, l.out, l.event, l.granted, l.ticket = "", ID{}, nil, beat{}, ticket{}
}

// release takes an event back from a member that does not have it, to be granted again.
func (b *board) release(l *lane, now time.Time) {
	m, e := b.members[l.member], l.event
	b.free(m, l)
	switch {
	case e == nil:
	case b.isRetired(e.Source) || e.lost:
		b.forget(e)
	default:
		l.due, l.version = time.Time{}, 0
		l.waiting = slices.Insert(l.waiting, 0, e)
	}
	b.next(l, now)
}

// bury drops members that have not been heard of, and has granted again what they had.
func (b *board) bury(now time.Time) (dead []string) {
	for id, m := range b.members {
		if id == self || now.Sub(m.heard) < deathAfter {
			continue
		}
		for _, l := range m.out {
			if l.event != nil {
				l.event.Lost++
				b.fail(l.event, time.Time{})
			}
		}
		b.part(m, now)
		dead = append(dead, id)
	}
	return dead
}

// part forgets a member, and has granted again what it had.
func (b *board) part(m *member, now time.Time) {
	for _, l := range m.out {
		b.release(l, now)
	}
	delete(b.members, m.id)
}

// prune drops failures of events that are gone: settled by another, or of a source that is not ours any more.
func (b *board) prune(gone func(source string) bool) {
	for id := range b.failing {
		if b.held[id] == nil && b.hasPassed(id) || gone(id.Source) {
			delete(b.failing, id)
			b.version++
		}
	}
}

// names returns those who may have grants, as far as others cannot know it: the leader's own is known.
func (b *board) names() []string {
	var names []string
	for id := range b.members {
		if id != self {
			names = append(names, id)
		}
	}
	for id := range b.absent {
		if id != self {
			names = append(names, id)
		}
	}
	slices.Sort(names)
	return names
}
