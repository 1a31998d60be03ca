package order

import (
	"slices"
	"time"
)

// A server that dies can forget the last acknowledgements it has confirmed, and delivers their events again to whoever leads
// next. What a member of an earlier leader was granted tells which these are: an event is granted only when all before it in its
// key were settled.

// isBefore reports whether an event was delivered before another: of the same consumer, and earlier in its stream.
func (id ID) isBefore(other ID) bool {
	return id.Source == other.Source && id.Sequence < other.Sequence && id.Stored <= other.Stored
}

// prove notes that an earlier leader has granted an event: what was before it in its key is settled.
func (b *board) prove(key string, id ID, now time.Time) {
	if !b.hasPassed(id) { // what comes of its source from now on may still be before it
		if b.proofs[key] == nil {
			b.proofs[key] = map[string]ID{}
		}
		if have, some := b.proofs[key][id.Source]; !some || have.isBefore(id) {
			b.proofs[key][id.Source] = id
		}
	}
	l := b.lanes[key]
	if l == nil {
		return
	}
	b.remove(l, now, func(e *Event) bool {
		if e.isBefore(id) {
			b.acks = append(b.acks, e)
			return true
		}
		return false
	})
}

// takeAcks returns the events that are to be acknowledged.
func (b *board) takeAcks() []*Event {
	all := b.acks
	b.acks = nil
	return all
}

// remove forgets events that wait in a lane.
func (b *board) remove(l *lane, now time.Time, which func(*Event) bool) {
	if len(l.waiting) == 0 {
		return
	}
	first := l.waiting[0]
	l.waiting = slices.DeleteFunc(l.waiting, func(e *Event) bool {
		if !which(e) {
			return false
		}
		b.forget(e)
		return true
	})
	if len(l.waiting) > 0 && l.waiting[0] == first {
		return
	}
	l.due, l.version = time.Time{}, 0
	if l.state != ready {
		l.state = idle
	}
	b.begin(l)
	b.next(l, now)
}

// isSettled reports whether an event that comes for the first time was settled under an earlier leader.
func (b *board) isSettled(id ID, key string) bool {
	if _, early := b.settled[id]; early {
		delete(b.settled, id)
		return true
	}
	proof, some := b.proofs[key][id.Source]
	if some && !id.isBefore(proof) {
		b.dropProof(key, id.Source)
	}
	return some && id.isBefore(proof)
}

func (b *board) dropProof(key, source string) {
	delete(b.proofs[key], source)
	if len(b.proofs[key]) == 0 {
		delete(b.proofs, key)
	}
}

// retire forgets what waits of sources that are no more: their consumer was made again, and has begun to deliver it once more.
func (b *board) retire(sources []string, now time.Time) {
	for _, source := range sources {
		b.retired[source] = struct{}{}
		delete(b.high, source)
	}
	for _, l := range b.lanes {
		b.remove(l, now, func(e *Event) bool { return b.isRetired(e.Source) })
	}
}

func (b *board) isRetired(source string) bool {
	_, retired := b.retired[source]
	return retired
}

// isReused reports whether a server has given the sequence of an event to another one before, and lost that.
func (b *board) isReused(id ID) bool {
	high, some := b.high[id.Source]
	return some && id.Sequence <= high.Sequence && id.Stored > high.Stored
}

// isReuseOf reports whether another event cannot be there any more, as this one has its sequence or one before it.
func (e *Event) isReuseOf(other *Event) bool {
	return other.Source == e.Source && other.Sequence >= e.Sequence && other.Stored < e.Stored
}

// lose forgets what a server has lost, as it gives its sequences to others. What is out of it is over when it ends.
func (b *board) lose(e *Event, now time.Time) {
	for _, l := range b.lanes {
		b.remove(l, now, e.isReuseOf)
		if l.event != nil && e.isReuseOf(l.event) {
			l.event.lost = true
		}
	}
}
