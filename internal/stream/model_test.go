package stream_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// model is what ought to become of the events of a function whose manifest changes all the time.
type model struct {
	user
	subjects []string        // asked for now
	must     map[uint64]bool // asked for when they were stored and ever since
	may      map[uint64]bool // asked for when they were stored
	done     map[uint64]int
	held     []jetstream.Msg
	names    map[uint64]string // their subjects
}

var modelPatterns = []string{"events.a.x", "events.a.y", "events.a.*", "events.*.x", "events.b", "events.c.x", "events.>"}

func asked(subjects []string, subject string) bool {
	return slices.ContainsFunc(subjects, func(p string) bool { return function.MatchSubject(p, subject) })
}

// change gives each subject a trigger of its own.
func (m *model) change(t *rapid.T) {
	m.subjects = rapid.SliceOfN(rapid.SampledFrom(modelPatterns), 1, 4).Draw(t, "subjects")
	var triggers []function.Trigger
	for _, s := range m.subjects {
		triggers = append(triggers, on(s))
	}
	m.ensure(triggers...)
	for seq := range m.must {
		if !asked(m.subjects, m.names[seq]) {
			delete(m.must, seq)
		}
	}
}

func (m *model) store(t *rapid.T) {
	subject := rapid.SampledFrom([]string{"events.a.x", "events.a.y", "events.b", "events.c.x"}).Draw(t, "subject")
	seq := m.publish(subject)
	m.names[seq] = subject
	if asked(m.subjects, subject) {
		m.must[seq], m.may[seq] = true, true
	}
}

func (m *model) take(t *rapid.T) {
	m.held = append(m.held, m.fetch("EVENTS", rapid.IntRange(1, 5).Draw(t, "n"))...)
}

// finish settles one of the messages that are in flight, or hands it back.
func (m *model) finish(t *rapid.T) {
	if len(m.held) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.held)-1).Draw(t, "which")
	msg := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	if rapid.IntRange(0, 3).Draw(t, "hand back") == 0 {
		if err := msg.Nak(); err != nil {
			t.Fatal(err)
		}
		return
	}
	m.note(t, msg)
}

func (m *model) note(t *rapid.T, msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	if m.settle(msg) {
		m.done[meta.Sequence.Stream]++
	}
}

// TestModel changes what a function asks for while its events are published, in flight, done and handed back. Each event that was
// asked for from when it was published is given, none is given that was not asked for then, and none is done twice.
func TestModel(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	number := 0
	rapid.Check(t, func(rt *rapid.T) {
		number++
		m := &model{
			user: user{t: t, js: js, fn: newFunction(fmt.Sprint("f", number))},
			must: map[uint64]bool{}, may: map[uint64]bool{}, done: map[uint64]int{}, names: map[uint64]string{},
		}
		m.change(rt)
		for range rapid.IntRange(4, 20).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0, 1:
				m.change(rt)
			case 2, 3:
				m.take(rt)
			case 4, 5, 6:
				m.finish(rt)
			default:
				m.store(rt)
			}
		}
		for _, msg := range m.held {
			m.note(rt, msg)
		}
		for _, seq := range m.drain("EVENTS") {
			m.done[seq]++
		}
		for seq := range m.must {
			if m.done[seq] == 0 {
				rt.Errorf("event %d on %s is lost", seq, m.names[seq])
			}
		}
		for seq, n := range m.done {
			if n > 1 || !m.may[seq] {
				rt.Errorf("event %d on %s, asked for: %v, is done %d times", seq, m.names[seq], m.may[seq], n)
			}
		}
		if err := stream.Remove(t.Context(), js, m.fn.Key(), owned(t, js, m.fn), true); err != nil {
			rt.Fatal(err)
		}
	})
}
