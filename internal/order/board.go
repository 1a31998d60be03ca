package order

import (
	"container/heap"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

// ID names an event as a consumer delivers it. A sequence alone does not: a server that comes back from a power cut without its
// last writes gives their sequences again.
type ID struct {
	Source   string `json:"s"` // the consumer, and when it was made: sequences of another one may mean something else
	Sequence uint64 `json:"n"` // in its stream
	Stored   int64  `json:"w"` // when, in nanoseconds since 1970 by the server
}

// ticket names a grant. What is said of an earlier grant of the same event cannot be taken for one of this.
type ticket struct {
	Epoch  uint64 `json:"e"`
	Number uint64 `json:"t"`
}

// Event is one that the leader holds.
type Event struct {
	ID
	Key        string // one of Keys
	Msg        *nats.Msg
	Attempt    int  // the one to make next
	Lost       int  // how often a worker went away with it, as far as is known
	Deliveries int  // by the server
	Local      bool // only the leader itself can deal with it

	marked bool // that it is begun is written down
	lost   bool // by the server: its sequence is another event's
}

// The ends that a grant can come to.
const (
	Settled = "settled" // what became of it is recorded and acknowledged
	Again   = "again"   // the attempt has failed, and another is to be made
	Back    = "back"    // it was no attempt
)

// report is what became of a grant.
type report struct {
	ID
	ticket
	Key     string        `json:"k"`
	Attempt int           `json:"a,omitempty"` // that it was
	End     string        `json:"end"`
	Delay   time.Duration `json:"d,omitempty"` // Again, Back: before the next
}

// Failure is what must outlive a leader of an event that is not settled.
type Failure struct {
	Attempt int       `json:"a"`           // to be made next
	Lost    int       `json:"l,omitempty"` //
	Due     time.Time `json:"d,omitzero"`
}

// grant is an event on its way to a member.
type grant struct {
	event  *Event
	to     string
	beat   beat // of the member, that it names
	ticket ticket
}

// beat is a sign of life: its number, and when it was sent by the member's own clock.
type beat struct {
	Number uint64        `json:"n"`
	At     time.Duration `json:"t"`
}

// suspicious is how often an event may have been delivered before each beginning of it is written down. Whatever waits is
// delivered again to each new leader, so this alone says nothing against an event.
const suspicious = 8

// member is a replica that works.
type member struct {
	id      string
	slots   int
	out     map[ID]*lane
	heard   time.Time
	beat    beat
	version uint64 // what must be written before it is granted anything: that it is a member
}

// lane is the queue of one key.
type lane struct {
	key     string
	waiting []*Event // not the one that is out

	out     ID     // what is being worked on, if member is set
	member  string // "" if nothing is
	event   *Event // that is out; nil if it was granted by another leader and has not come to us
	granted beat
	ticket  ticket

	state   state
	due     time.Time
	version uint64 // saving: what must be written first
}

type state uint8

const (
	idle    state = iota // nothing waits, or something is out
	ready                // the first of waiting can be granted
	delayed              // not before due
	saving               // not before version is written
)

// board is the leader's: who waits, and who works. It is pure: it knows no connection and is told the time. One goroutine
// uses it at a time.
type board struct {
	epoch   uint64
	tickets uint64
	lanes   map[string]*lane
	held    map[ID]*lane
	high    map[string]ID            // by source: the last that has come
	settled map[ID]struct{}          // settled before they came to us
	proofs  map[string]map[string]ID // by key and source: what is before this was settled under an earlier leader
	acks    []*Event                 // of events that are settled: to be sent
	retired map[string]struct{}      // sources that are no more
	members map[string]*member
	absent  map[string]struct{} // who may have grants of earlier leaders, and has not said so
	ready   []*lane
	delayed delays
	saving  []*lane
	bytes   int
	outs    int

	failing map[ID]Failure
	version uint64 // of failing and members
	saved   uint64 // what is known to be written
}

func newBoard(epoch uint64, failing map[ID]Failure) *board {
	if failing == nil {
		failing = map[ID]Failure{}
	}
	return &board{
		epoch: epoch, lanes: map[string]*lane{}, held: map[ID]*lane{}, high: map[string]ID{}, settled: map[ID]struct{}{},
		proofs: map[string]map[string]ID{}, members: map[string]*member{}, absent: map[string]struct{}{}, retired: map[string]struct{}{},
		failing: failing,
	}
}

// hasPassed reports whether an event is one that has come, or is before one that has.
func (b *board) hasPassed(id ID) bool {
	high, some := b.high[id.Source]
	return some && id.Sequence <= high.Sequence && id.Stored <= high.Stored
}

// add takes an event that was delivered. It reports false if it was settled before: it is to be acknowledged again.
func (b *board) add(e *Event, now time.Time) bool {
	if b.held[e.ID] != nil {
		return true // it is delivered again while we have it
	}
	if b.hasPassed(e.ID) {
		return false
	}
	b.high[e.Source] = ID{e.Source, e.Sequence, max(e.Stored, b.high[e.Source].Stored)}
	if b.isSettled(e.ID, e.Key) {
		return false
	}
	l := b.lane(e.Key)
	b.held[e.ID] = l
	b.bytes += len(e.Msg.Data)
	f, failed := b.failing[e.ID]
	if failed {
		e.Attempt, e.Lost = max(e.Attempt, f.Attempt), f.Lost
	}
	if l.member != "" && l.out == e.ID {
		l.event = e // another leader has granted it
		return true
	}
	l.waiting = append(l.waiting, e)
	if len(l.waiting) == 1 {
		l.due = f.Due
		b.next(l, now)
	}
	return true
}

func (b *board) lane(key string) *lane {
	l := b.lanes[key]
	if l == nil {
		l = &lane{key: key}
		b.lanes[key] = l
	}
	return l
}

// next decides what a lane whose first event or whose work has changed is up to.
func (b *board) next(l *lane, now time.Time) {
	switch {
	case l.member != "":
		l.state = idle
	case len(l.waiting) == 0:
		l.state = idle
		delete(b.lanes, l.key)
	case l.version > b.saved:
		if l.state != saving {
			l.state = saving
			b.saving = append(b.saving, l)
		}
	case l.due.After(now):
		l.state = delayed
		heap.Push(&b.delayed, delay{l.due, l})
	case l.state != ready:
		l.state = ready
		b.ready = append(b.ready, l)
	}
}

// grant takes the next event that can be worked on now, if a member has room for it. Those of a source that is not sound wait.
func (b *board) grant(now time.Time, sound func(source string) bool) (grant, bool) {
	b.wake(now)
	for i := 0; i < len(b.ready); {
		l := b.ready[i]
		if l.state != ready {
			b.ready = slices.Delete(b.ready, i, i+1)
			continue
		}
		e := l.waiting[0]
		if !sound(e.Source) {
			i++
			continue
		}
		m := b.choose(e.Local)
		if m == nil {
			if !e.Local {
				return grant{}, false
			}
			i++ // others may go elsewhere
			continue
		}
		b.ready = slices.Delete(b.ready, i, i+1)
		if e.Deliveries > suspicious && !e.marked {
			b.mark(l, e, now)
			continue
		}
		return b.give(l, m), true
	}
	return grant{}, false
}

// mark has it written down that an event is begun.
func (b *board) mark(l *lane, e *Event, now time.Time) {
	e.marked = true
	e.Lost++
	b.fail(e, l.due)
	l.version, l.state = b.version, idle
	b.next(l, now)
}

func (b *board) give(l *lane, m *member) grant {
	e := l.waiting[0]
	l.waiting = l.waiting[1:]
	b.tickets++
	b.take(l, m, e.ID, ticket{b.epoch, b.tickets})
	l.event = e
	return grant{e, m.id, m.beat, l.ticket}
}

// take notes that the first event of a lane is with a member.
func (b *board) take(l *lane, m *member, id ID, t ticket) {
	l.state, l.member, l.out, l.granted, l.ticket = idle, m.id, id, m.beat, t
	m.out[id] = l
	b.outs++
}

// choose takes the member with the most room. The leader itself comes first, as nothing has to be sent to it.
func (b *board) choose(local bool) *member {
	var best *member
	for _, m := range b.members {
		room := m.slots - len(m.out)
		switch {
		case room <= 0 || m.version > b.saved:
		case m.id == self:
			return m
		case !local && (best == nil || room > best.slots-len(best.out)):
			best = m
		}
	}
	return best
}

// self is the leader's own name as a member.
const self = "self"

// wake makes those ready whose time has come.
func (b *board) wake(now time.Time) {
	for len(b.delayed) > 0 && !b.delayed[0].due.After(now) {
		d := heap.Pop(&b.delayed).(delay)
		if d.lane.state == delayed && d.lane.due.Equal(d.due) {
			d.lane.state = idle
			b.next(d.lane, now)
		}
	}
}

// nextDue is when the next delay is over, if there is one.
func (b *board) nextDue() (time.Time, bool) {
	if len(b.delayed) == 0 {
		return time.Time{}, false
	}
	return b.delayed[0].due, true
}

// wrote notes that a version of failing is written.
func (b *board) wrote(version uint64, now time.Time) {
	b.saved = max(b.saved, version)
	waiting := b.saving
	b.saving = nil
	for _, l := range waiting {
		if l.state == saving {
			l.state = idle
			b.next(l, now)
		}
	}
}

// fail notes what must outlive us of an event.
func (b *board) fail(e *Event, due time.Time) {
	b.version++
	b.failing[e.ID] = Failure{e.Attempt, e.Lost, due}
}

// isOpen reports whether anything may be granted: all who may be at work for an earlier leader have told what they have.
func (b *board) isOpen() bool { return len(b.absent) == 0 }

// open has no more waited for who has not spoken.
func (b *board) open() { clear(b.absent) }

// isUrgent reports whether something waits for what must outlive us to be written.
func (b *board) isUrgent() bool {
	if len(b.saving) > 0 {
		return true
	}
	for _, m := range b.members {
		if m.version > b.saved {
			return true
		}
	}
	return false
}

// room is how many more events may be held, and how large all of them may be; 0 bytes is for one of any size.
func (b *board) room() (events, bytes int) {
	if len(b.held) == 0 {
		return Window, windowBytes
	}
	if b.bytes >= windowBytes {
		return 0, 0
	}
	return Window - len(b.held), windowBytes - b.bytes
}

// runnable is how many keys have something to do: as many calls could run at a time.
func (b *board) runnable() int {
	n := 0
	for _, l := range b.ready {
		if l.state == ready {
			n++
		}
	}
	return n
}

// delays is a heap, the first first.
type delays []delay

type delay struct {
	due  time.Time
	lane *lane
}

func (d delays) Len() int           { return len(d) }
func (d delays) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d delays) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }

// Push is for heap.
func (d *delays) Push(x any) { *d = append(*d, x.(delay)) }

// Pop is for heap.
func (d *delays) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}
