package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// kills is how many times the whole machine goes down in TestKillUp; earlyKills of them hit it while it starts.
const (
	kills      = 18
	earlyKills = 4
)

// TestKillUp kills `pelton up` with SIGKILL at random moments while events come in. Whatever was accepted is handled to
// success, what is handled twice is bounded by what was in flight at a kill, and no process outlives its up for long.
func TestKillUp(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes more than a minute")
	}
	m := newMachine(t)
	work := func(s *function.Spec) {
		s.Triggers = on("events.load.>")
		s.Concurrency, s.Scale.MaxReplicas = 8, 2
		s.Handler.Env = append(s.Handler.Env, function.EnvVar{Name: workEnv, Value: "20ms"})
	}
	m.function("http", modeForks, work)
	m.function("frames", modeFrames, work)
	m.function("exec", modeExec, func(s *function.Spec) { s.Triggers, s.Concurrency = on("events.load.exec"), 2 })

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))
	u := m.up()
	p := startPublisher(u.state.NATSURL, 20*time.Millisecond, true)
	for n := range kills {
		if n%(kills/earlyKills) == 0 {
			u.after(time.Duration(moments.Int64N(int64(400 * time.Millisecond))))
			u.kill()
			u.awaitNoProcess()
			u = m.launch()
			u.after(time.Duration(moments.Int64N(int64(400 * time.Millisecond))))
		} else {
			u.after(time.Duration(moments.Int64N(int64(3500 * time.Millisecond))))
		}
		u.kill()
		if n%2 == 0 { // at once the next time, with the processes of the killed one still there
			u.awaitNoProcess()
		}
		u = m.up()
		p.connect(u.state.NATSURL)
	}
	accepted := p.stop()
	c := u.client()
	c.awaitAcknowledged("http", "frames", "exec")
	t.Logf("%d events accepted, %d kills", len(accepted), kills+earlyKills)
	if dead := c.count(stream.DeadStream); dead != 0 {
		t.Errorf("%d dead letters, want none", dead)
	}
	for fn, concurrency := range map[string]int{"http": 16, "frames": 16, "exec": 2} {
		m.checkHandled(fn, accepted, concurrency)
		m.checkLeftovers(fn, c.leftovers(fn))
	}
	await(t, "all functions are at zero", func() error { return m.atZero("http", "frames", "exec") })
}

// after waits: a moment to do something at is no condition to wait for.
func (u *up) after(d time.Duration) {
	select {
	case <-time.After(d):
	case <-u.done:
	}
}

func (m *machine) atZero(functions ...string) error {
	for _, fn := range functions {
		if s := m.status(fn); !s.zero() {
			return fmt.Errorf("%s: %+v", fn, s)
		}
	}
	return nil
}

// checkHandled compares what was accepted for a function with its ledger.
func (m *machine) checkHandled(fn string, accepted []sent, concurrency int) {
	m.t.Helper()
	var ids []string
	for _, s := range accepted {
		if fn != "exec" || s.subject == "events.load.exec" {
			ids = append(ids, s.id)
		}
	}
	l := m.ledger(fn)
	lost, duplicates := tally(ids, l.of(recordEnd).ids())
	if len(lost) > 0 {
		m.t.Errorf("%s: lost %d of %d accepted events: %v", fn, len(lost), len(ids), lost[:min(len(lost), 20)])
	}
	bound := (kills + earlyKills) * 2 * concurrency // what was in the handlers, and what had been settled just before
	m.t.Logf("%s: %d events, %d handled twice (bound %d), by %d processes", fn, len(ids), duplicates, bound,
		len(l.of(recordStart)))
	if duplicates > bound {
		m.t.Errorf("%s: %d events handled twice, at most %d may be", fn, duplicates, bound)
	}
}

// checkLeftovers looks at what is in the work stream though its consumer is done with it. The server may forget in a kill
// that it had removed an acknowledged message. Such a message is never delivered again: it must have been handled.
func (m *machine) checkLeftovers(fn string, left []leftover) {
	m.t.Helper()
	handled := m.ledger(fn).of(recordEnd).ids()
	for _, l := range left {
		m.t.Logf("%s: the server did not remove %+v", fn, l)
		if handled[l.id] == 0 {
			m.t.Errorf("%s: %+v will never be delivered", fn, l)
		}
	}
	if len(left) > kills+earlyKills {
		m.t.Errorf("%s: %d messages not removed", fn, len(left))
	}
}
