package order

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var earlier = ticket{1, 7} // of another leader than the boards here have

func idOf(sequence uint64) ID { return ID{source, sequence, 0} }

// TestForgottenAcknowledgements has a server forget what it has confirmed: what was settled before an event that an earlier
// leader has granted is not begun again after it.
func TestForgottenAcknowledgements(t *testing.T) {
	t.Parallel()
	atWork := func(b *board) { b.hear("x", beat{1, 0}, 5, []call{{idOf(3), earlier, "a"}}, start) }
	reported := func(sequence uint64, of ticket, key, end string) func(b *board) {
		return func(b *board) { b.report("x", report{idOf(sequence), of, key, 1, end, 0}, start) }
	}
	for name, c := range map[string]struct {
		tell   func(b *board)
		first  bool   // it is told before the events come again
		want   string // is granted
		passed int    // are acknowledged
	}{
		"at work, told before":   {atWork, true, "4", 2},
		"at work, told after":    {atWork, false, "4", 2},
		"settled, told before":   {reported(3, earlier, "a", Settled), true, "4 5", 3},
		"settled, told after":    {reported(3, earlier, "a", Settled), false, "4 5", 3},
		"failed, told before":    {reported(3, earlier, "a", Again), true, "3 4", 2},
		"failed, told after":     {reported(3, earlier, "a", Again), false, "3 4", 2},
		"of another key":         {reported(4, earlier, "b", Settled), false, "1", 1},
		"of a key that we lack":  {reported(9, earlier, "c", Settled), false, "1 4", 0},
		"granted by this leader": {reported(3, ticket{2, 1}, "a", Back), false, "1 4", 0},
		"settled by this leader": {reported(1, ticket{2, 1}, "a", Settled), false, "2 4", 1},
		"far ahead, told before": {reported(99, earlier, "a", Settled), true, "4", 4},
		"far ahead, told after":  {reported(99, earlier, "a", Settled), false, "4", 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBoard(2, nil)
			joins(b, self, 9, start)
			if c.first {
				c.tell(b)
			}
			passed := 0
			for _, e := range []*Event{newEvent(1, "a"), newEvent(2, "a"), newEvent(3, "a"), newEvent(4, "b"), newEvent(5, "a")} {
				if !b.add(e, start) {
					passed++
				}
			}
			if !c.first {
				c.tell(b)
			}
			b.wrote(b.version, start)
			got := strings.Fields(granted(b, start))
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("granted %v, want %s", got, c.want)
			}
			if passed += len(b.takeAcks()); passed != c.passed {
				t.Errorf("%d acknowledged, want %d", passed, c.passed)
			}
		})
	}
}

// TestLateAfterRepetition has an event be reported after what was before it has begun again: it comes again after that, too.
func TestLateAfterRepetition(t *testing.T) {
	t.Parallel()
	b := newBoard(2, nil)
	joins(b, self, 9, start)
	b.add(newEvent(1, "a"), start)
	b.add(newEvent(2, "a"), start)
	if got := granted(b, start); got != "1" {
		t.Fatalf("granted %q", got)
	}
	b.report("x", report{idOf(2), earlier, "a", 1, Settled, 0}, start)
	m := b.members[self]
	b.report(self, report{idOf(1), m.out[idOf(1)].ticket, "a", 1, Settled, 0}, start)
	if got := granted(b, start); got != "2" {
		t.Errorf("granted %q, want what is behind the event that began again", got)
	}
}

// TestFailedWhileNobodyLed has an attempt fail that no leader has taken note of: the next is the one after it, at its time.
func TestFailedWhileNobodyLed(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		b := newBoard(2, nil)
		joins(b, self, 9, start)
		r := report{idOf(1), earlier, "a", 3, Again, time.Minute}
		if first {
			b.report("x", r, start)
		}
		b.add(newEvent(1, "a"), start)
		for range 2 {
			b.report("x", r, start)
		}
		b.wrote(b.version, start)
		if got := granted(b, start); got != "" {
			t.Errorf("granted %s before its time", got)
		}
		if g, ok := b.grant(start.Add(time.Minute), always); !ok || g.event.Attempt != 4 {
			t.Errorf("told first %t: granted %t, want attempt 4: %+v", first, ok, g.event)
		}
	}
}

// TestDeletedWhileAtWork has an event be deleted that another leader's member works on: its key waits all the same.
func TestDeletedWhileAtWork(t *testing.T) {
	t.Parallel()
	b := newBoard(2, nil)
	joins(b, self, 9, start)
	b.add(newEvent(2, "a"), start)
	b.hear("x", beat{1, 0}, 5, []call{{idOf(1), earlier, "a"}}, start)
	if got := granted(b, start); got != "" {
		t.Errorf("granted %s beside what is at work", got)
	}
	b.report("x", report{idOf(1), earlier, "a", 1, Settled, 0}, start)
	if got := granted(b, start); got != "2" || len(b.settled) > 0 {
		t.Errorf("granted %q, %d settled are still to come", got, len(b.settled))
	}
}

// TestLostByTheServer has sequences be given again: what had them is neither begun nor acknowledged.
func TestLostByTheServer(t *testing.T) {
	t.Parallel()
	b := newBoard(1, nil)
	joins(b, self, 9, start)
	b.add(newEvent(1, "a"), start)
	b.add(newEvent(2, "a"), start)
	b.add(newEvent(3, "b"), start)
	g, _ := b.grant(start, always)
	reused := newEvent(1, "c")
	reused.Stored = 9
	if !b.isReused(reused.ID) {
		t.Fatal("not seen")
	}
	b.lose(reused, start)
	if !b.add(reused, start) {
		t.Error("the new event is taken for the old one")
	}
	b.report(self, report{g.event.ID, g.ticket, g.event.Key, 1, Settled, 0}, start)
	if got := granted(b, start); got != "1" || len(b.takeAcks()) > 0 || len(b.held) != 1 {
		t.Errorf("granted %q, %d held", got, len(b.held))
	}
}

// TestSequencesComeAgain has a server give sequences again whose messages it has lost.
func TestSequencesComeAgain(t *testing.T) {
	t.Parallel()
	b := newBoard(1, nil)
	joins(b, self, 9, start)
	add := func(sequence uint64, stored int64) bool {
		e := newEvent(sequence, "a")
		e.Stored = stored
		return b.add(e, start)
	}
	for n := range 5 {
		add(uint64(n+1), int64(n+1))
		g, _ := b.grant(start, always)
		b.report(self, report{g.event.ID, g.ticket, "a", 1, Settled, 0}, start)
	}
	for _, c := range []struct {
		sequence uint64
		stored   int64
		want     bool
	}{{4, 4, false}, {4, 8, true}, {5, 9, true}, {3, 3, false}, {6, 10, true}} {
		if got := add(c.sequence, c.stored); got != c.want {
			t.Errorf("sequence %d stored at %d: taken %t, want %t", c.sequence, c.stored, got, c.want)
		}
	}
}

// TestWaitsForTheAbsent has a leader grant nothing before those have spoken who may be at work, and others wait until it is
// written that they are there.
func TestWaitsForTheAbsent(t *testing.T) {
	t.Parallel()
	b := newBoard(2, nil)
	b.absent["x"], b.absent[self] = struct{}{}, struct{}{}
	joins(b, self, 0, start)
	if b.isOpen() {
		t.Error("open before x has spoken")
	}
	b.hear("x", beat{1, 0}, 5, []call{}, start)
	if !b.isOpen() || !slices.Equal(b.names(), []string{"x"}) {
		t.Errorf("open %t, names %v", b.isOpen(), b.names())
	}
	b.add(newEvent(1, "a"), start)
	if got := granted(b, start); got != "" || !b.isUrgent() {
		t.Errorf("granted %q before it is written that x is there", got)
	}
	b.wrote(b.version, start)
	if got := granted(b, start); got != "1" || b.isUrgent() {
		t.Errorf("granted %q, want what waited", got)
	}
	b.absent["y"] = struct{}{}
	b.hear("y", beat{}, leaves, nil, start)
	if !b.isOpen() {
		t.Error("y has left, and is waited for")
	}
}

// TestConsumerMadeAgain has a consumer be made again: what waited of its former life comes again, and what is out of it is over
// when it ends.
func TestConsumerMadeAgain(t *testing.T) {
	t.Parallel()
	for _, end := range []string{Settled, Again, Back, ""} {
		b := newBoard(1, nil)
		joins(b, self, 9, start)
		b.add(newEvent(1, "a"), start)
		b.add(newEvent(2, "a"), start)
		g, _ := b.grant(start, always)
		b.retire([]string{source}, start)
		e := newEvent(1, "a")
		e.Source += "0"
		b.add(e, start)
		if got := granted(b, start); got != "" {
			t.Errorf("granted %s beside the one that runs", got)
		}
		if end == "" {
			b.part(b.members[self], start)
			joins(b, self, 9, start)
		} else {
			b.report(self, report{g.event.ID, g.ticket, "a", 1, end, time.Hour}, start)
		}
		if got := granted(b, start); got != "1" || len(b.held) != 1 || b.bytes != 1 || b.outs != 1 {
			t.Errorf("%s: granted %q, %d held", end, got, len(b.held))
		}
	}
}

// TestUnsoundSources has the events of one source wait, and no others.
func TestUnsoundSources(t *testing.T) {
	t.Parallel()
	b := newBoard(1, nil)
	joins(b, self, 9, start)
	b.add(newEvent(1, "a"), start)
	e := newEvent(2, "b")
	e.Source += "0"
	b.add(e, start)
	sound := func(of string) bool { return of != source }
	if g, ok := b.grant(start, sound); !ok || g.event != e {
		t.Errorf("granted %+v, want what is sound", g.event)
	}
	if g, ok := b.grant(start, sound); ok {
		t.Errorf("granted %d, which is not sound", g.event.Sequence)
	}
	if got := granted(b, start); got != "1" {
		t.Errorf("granted %q", got)
	}
}

// TestRoom has events be few or small.
func TestRoom(t *testing.T) {
	t.Parallel()
	b := newBoard(1, nil)
	if events, bytes := b.room(); events != Window || bytes != windowBytes {
		t.Errorf("room for %d events, %d bytes", events, bytes)
	}
	e := newEvent(1, "a")
	e.Msg.Data = make([]byte, windowBytes-5)
	b.add(e, start)
	if events, bytes := b.room(); events != Window-1 || bytes != 5 {
		t.Errorf("room for %d events, %d bytes", events, bytes)
	}
	e = newEvent(2, "a")
	e.Msg.Data = make([]byte, 5)
	b.add(e, start)
	if events, _ := b.room(); events != 0 {
		t.Errorf("room for %d events", events)
	}
}

// TestDueByOurClock has a delay be taken over by who has another clock.
func TestDueByOurClock(t *testing.T) {
	t.Parallel()
	p := paper{At: start.Add(-24 * time.Hour), Failing: []failing{
		{idOf(1), Failure{Attempt: 2, Due: start.Add(-24*time.Hour + time.Minute)}}, {idOf(2), Failure{Attempt: 3}},
	}}
	got := p.failures(start)
	if !got[idOf(1)].Due.Equal(start.Add(time.Minute)) || !got[idOf(2)].Due.IsZero() {
		t.Errorf("due %v and %v", got[idOf(1)].Due, got[idOf(2)].Due)
	}
}

// TestKeysOfExpressions has no key of one expression be one of another.
func TestKeysOfExpressions(t *testing.T) {
	t.Parallel()
	one, two := NewKeys("event.subject"), NewKeys("data.key")
	seen := map[string]bool{}
	for _, key := range []string{one.None(), two.None(), one.Of("a"), two.Of("a"), one.Of("none"), one.Of("")} {
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
}
