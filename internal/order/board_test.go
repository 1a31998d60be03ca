package order

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const source = "EVENTS/fn/1"

func newEvent(sequence uint64, key string) *Event {
	return &Event{ID: ID{source, sequence, 0}, Key: key, Msg: &nats.Msg{Data: []byte("x")}, Attempt: 1}
}

func always(string) bool { return true }

// joins has a member say that it is there and has nothing, and that be written.
func joins(b *board, id string, slots int, at time.Time) {
	number := uint64(1)
	if m := b.members[id]; m != nil {
		number = m.beat.Number + 1
	}
	b.hear(id, beat{number, at.Sub(start)}, slots, []call{}, at)
	b.wrote(b.version, at)
}

// TestBoardModel has events come, members come, go, report, repeat themselves and fall silent, and wants the promise: of each
// key one at a time, in order, none twice after it was settled, and all in the end.
func TestBoardModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, b: newBoard(1, nil), now: start, settled: map[uint64]bool{}, next: map[string][]uint64{}, at: map[uint64]grant{}}
		t.Repeat(map[string]func(*rapid.T){
			"add":    m.add,
			"again":  m.addAgain,
			"join":   m.join,
			"grant":  m.grant,
			"settle": func(t *rapid.T) { m.report(t, Settled) },
			"fail":   func(t *rapid.T) { m.report(t, Again) },
			"back":   func(t *rapid.T) { m.report(t, Back) },
			"late":   m.late,
			"write":  func(*rapid.T) { m.b.wrote(m.b.version, m.now) },
			"silent": m.silent,
			"time": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
			},
			"": m.check,
		})
		m.finish()
	})
}

type model struct {
	t       *rapid.T
	b       *board
	now     time.Time
	last    uint64
	settled map[uint64]bool
	next    map[string][]uint64 // by key: not settled, in order
	at      map[uint64]grant    // granted and not ended, by sequence
	ended   []grant
}

func (m *model) add(t *rapid.T) {
	m.last++
	key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
	e := newEvent(m.last, key)
	e.Deliveries = rapid.SampledFrom([]int{1, suspicious + 1}).Draw(t, "deliveries")
	if !m.b.add(e, m.now) {
		t.Fatalf("%d was never settled", m.last)
	}
	m.next[key] = append(m.next[key], m.last)
}

func (m *model) addAgain(t *rapid.T) {
	if m.last == 0 {
		t.Skip("nothing has come")
	}
	n := rapid.Uint64Range(1, m.last).Draw(t, "sequence")
	if known := m.b.add(newEvent(n, "other"), m.now); known == m.settled[n] {
		t.Fatalf("%d comes again: known %t, settled %t", n, known, m.settled[n])
	}
}

func (m *model) join(t *rapid.T) {
	id := rapid.SampledFrom([]string{self, "x", "y"}).Draw(t, "member")
	var calls []call
	for _, g := range m.at {
		if g.to == id {
			calls = append(calls, call{g.event.ID, g.ticket, g.event.Key})
		}
	}
	number := uint64(1)
	if have := m.b.members[id]; have != nil {
		number = have.beat.Number + 1
	}
	if calls == nil {
		calls = []call{}
	}
	m.b.hear(id, beat{number, m.now.Sub(start)}, rapid.IntRange(0, 3).Draw(t, "slots"), calls, m.now)
}

func (m *model) grant(t *rapid.T) {
	g, ok := m.b.grant(m.now, always)
	if !ok {
		t.Skip("nothing can be granted")
	}
	n := g.event.Sequence
	if queue := m.next[g.event.Key]; len(queue) == 0 || queue[0] != n {
		t.Fatalf("%d begins before %v", n, queue)
	}
	if other, twice := m.at[n]; twice {
		t.Fatalf("%d is granted to %s while %s has it", n, g.to, other.to)
	}
	m.at[n] = g
}

func (m *model) report(t *rapid.T, end string) {
	if len(m.at) == 0 {
		t.Skip("nothing is out")
	}
	var all []uint64
	for n := range m.at {
		all = append(all, n)
	}
	slices.Sort(all)
	g := m.at[rapid.SampledFrom(all).Draw(t, "which")]
	delete(m.at, g.event.Sequence)
	m.ended = append(m.ended, g)
	m.b.report(g.to, report{g.event.ID, g.ticket, g.event.Key, g.event.Attempt, end, rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "delay")}, m.now)
	if end == Settled {
		m.settle(g)
	}
}

func (m *model) settle(g grant) {
	m.settled[g.event.Sequence] = true
	m.next[g.event.Key] = slices.DeleteFunc(m.next[g.event.Key], func(n uint64) bool { return n == g.event.Sequence })
}

// late repeats a report: it must change nothing.
func (m *model) late(t *rapid.T) {
	if len(m.ended) == 0 {
		t.Skip("nothing has ended")
	}
	g := rapid.SampledFrom(m.ended).Draw(t, "which")
	m.b.report(g.to, report{g.event.ID, g.ticket, g.event.Key, g.event.Attempt, rapid.SampledFrom([]string{Again, Back}).Draw(t, "end"), 0}, m.now)
}

// silent has everybody fall silent until they are taken for dead. What they had is theirs no more.
func (m *model) silent(*rapid.T) {
	m.now = m.now.Add(deathAfter)
	m.b.bury(m.now)
	for n, g := range m.at {
		if g.to != self {
			delete(m.at, n)
		}
	}
}

func (m *model) check(t *rapid.T) {
	held := 0
	for _, queue := range m.next {
		held += len(queue)
	}
	if len(m.b.held) != held || m.b.outs != len(m.at) || m.b.bytes != held {
		t.Fatalf("holds %d, %d bytes, %d out; want %d, %d out", len(m.b.held), m.b.bytes, m.b.outs, held, len(m.at))
	}
}

// finish wants that everything comes to an end.
func (m *model) finish() {
	for range 10 * m.last {
		m.now = m.now.Add(time.Second)
		m.b.wrote(m.b.version, m.now)
		joins(m.b, self, 100, m.now)
		for _, g := range m.at {
			m.b.report(g.to, report{g.event.ID, g.ticket, g.event.Key, g.event.Attempt, Settled, 0}, m.now)
			m.settle(g)
		}
		clear(m.at)
		g, ok := m.b.grant(m.now, always)
		if ok {
			m.at[g.event.Sequence] = g
		}
	}
	if len(m.b.held)+len(m.b.lanes)+len(m.b.failing) > 0 {
		m.t.Fatalf("left over: %d events, %d keys, %d failures", len(m.b.held), len(m.b.lanes), len(m.b.failing))
	}
}

// TestAdopt takes over what another leader has granted: its key waits for it, also before the event has come.
func TestAdopt(t *testing.T) {
	t.Parallel()
	b := newBoard(2, nil)
	joins(b, self, 5, start)
	old := ticket{1, 7}
	b.hear("x", beat{1, 0}, 5, []call{{ID{source, 1, 0}, old, "a"}}, start)
	b.add(newEvent(1, "a"), start)
	b.add(newEvent(2, "a"), start)
	b.add(newEvent(3, "b"), start)
	if got := granted(b, start); got != "3" {
		t.Errorf("granted %s, want what has another key", got)
	}
	b.report("x", report{ID{source, 1, 0}, old, "a", 1, Settled, 0}, start)
	if got := granted(b, start); got != "2" {
		t.Errorf("granted %s, want what waited", got)
	}
}

// TestAdoptSettled has what another leader had granted be settled before it comes to us, as it was already on its way.
func TestAdoptSettled(t *testing.T) {
	t.Parallel()
	b := newBoard(2, nil)
	old := ticket{1, 7}
	b.hear("x", beat{1, 0}, 5, []call{{ID{source, 1, 0}, old, "a"}}, start)
	b.report("x", report{ID{source, 1, 0}, old, "a", 1, Settled, 0}, start)
	if b.add(newEvent(1, "a"), start) || len(b.held) != 0 {
		t.Error("a settled event is held")
	}
}

// TestLostGrant has a grant never arrive: the member does not have it when it is too old to begin.
func TestLostGrant(t *testing.T) {
	t.Parallel()
	b := newBoard(1, nil)
	joins(b, "x", 1, start)
	b.add(newEvent(1, "a"), start)
	if got := granted(b, start); got != "1" {
		t.Fatalf("granted %s", got)
	}
	joins(b, "x", 1, start.Add(GrantTime))
	if got := granted(b, start.Add(GrantTime)); got != "" {
		t.Errorf("granted %s again while it may be on its way", got)
	}
	joins(b, "x", 1, start.Add(GrantTime+1))
	if got := granted(b, start.Add(GrantTime+1)); got != "1" {
		t.Errorf("granted %q, want what was lost", got)
	}
}

// TestAttemptsOutlive has attempts and what waits for its time be taken over.
func TestAttemptsOutlive(t *testing.T) {
	t.Parallel()
	b := newBoard(1, map[ID]Failure{{source, 1, 0}: {Attempt: 3, Lost: 2, Due: start.Add(time.Minute)}})
	joins(b, self, 1, start)
	b.add(newEvent(1, "a"), start)
	if got := granted(b, start); got != "" {
		t.Errorf("granted %s before its time", got)
	}
	g, ok := b.grant(start.Add(time.Minute), always)
	if !ok || g.event.Attempt != 3 || g.event.Lost != 2 {
		t.Errorf("granted %+v", g.event)
	}
}

// TestFailureIsWrittenFirst has the next attempt wait until the last one is written down.
func TestFailureIsWrittenFirst(t *testing.T) {
	t.Parallel()
	b := newBoard(1, nil)
	joins(b, self, 1, start)
	b.add(newEvent(1, "a"), start)
	g, _ := b.grant(start, always)
	b.report(self, report{g.event.ID, g.ticket, g.event.Key, g.event.Attempt, Again, 0}, start)
	if got := granted(b, start); got != "" {
		t.Errorf("granted %s", got)
	}
	b.wrote(b.version, start)
	if g, ok := b.grant(start, always); !ok || g.event.Attempt != 2 {
		t.Error("not granted when it is written")
	}
}

func granted(b *board, now time.Time) string {
	var all []string
	for {
		g, ok := b.grant(now, always)
		if !ok {
			return strings.Join(all, " ")
		}
		all = append(all, fmt.Sprint(g.event.Sequence))
	}
}
