package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// TestKillHandler kills the handler's process again and again while it has calls. Each call is an attempt that failed, the
// process comes back, and in the end every event is handled.
func TestKillHandler(t *testing.T) {
	t.Parallel()
	const rounds, perRound = 8, 20
	for _, mode := range []string{modeServe, modeFrames} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.function("victim", mode, func(s *function.Spec) {
				s.Concurrency, s.Scale.MinReplicas = 4, 1
				s.Handler.Env = append(s.Handler.Env, function.EnvVar{Name: workEnv, Value: "50ms"})
			})
			u := m.up()
			c := u.client()
			var accepted []sent
			for n := range rounds {
				for i := range perRound {
					id := number("event", n*perRound+i)
					c.mustSend("events.victim", id, "x")
					accepted = append(accepted, sent{"events.victim", id})
				}
				m.killDuringCall("victim", n)
			}
			c.awaitSettled("victim")
			m.checkAttempts("victim", accepted, 1+rounds)
			if n := c.count(stream.DeadStream); n > 0 {
				t.Errorf("%d dead letters", n)
			}
		})
	}
}

// killDuringCall kills the process that has begun the newest call, once that is not one that was killed before.
func (m *machine) killDuringCall(fn string, n int) {
	m.t.Helper()
	await(m.t, fmt.Sprintf("process %d has a call", n+1), func() error {
		starts := m.ledger(fn).of(recordStart)
		if len(starts) <= n {
			return fmt.Errorf("%d processes so far", len(starts))
		}
		pid := starts[len(starts)-1].PID
		begun, ended := m.ledger(fn).of(recordBegin).pids()[pid], m.ledger(fn).of(recordEnd).pids()[pid]
		if begun == ended {
			return errors.New("no call runs")
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	})
}

// checkAttempts makes sure that every event was handled, and that none needed more attempts than there were reasons.
func (m *machine) checkAttempts(fn string, accepted []sent, most int) {
	m.t.Helper()
	ids := make([]string, 0, len(accepted))
	for _, s := range accepted {
		ids = append(ids, s.id)
	}
	l := m.ledger(fn)
	lost, duplicates := tally(ids, l.of(recordEnd).ids())
	highest := 0
	for _, r := range l {
		highest = max(highest, r.Attempt)
	}
	m.t.Logf("%d events, %d lost, %d handled twice, at most %d attempts", len(ids), len(lost), duplicates, highest)
	if len(lost) > 0 || highest > most {
		m.t.Errorf("lost %v, %d attempts; want none and at most %d", lost, highest, most)
	}
}

// script is a handler file: whoever changes it makes another version of the function.
const script = "#!/bin/sh\n" + versionEnv + "=%d exec %q\n"

// TestFileChangesUnderLoad edits a handler's file while events come in: the function goes over to the new version, no event
// is lost, fails or is handled twice, and the function next to it stays as it is.
func TestFileChangesUnderLoad(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	load := func(s *function.Spec) {
		s.Triggers, s.Scale.MinReplicas = on("events.load.>"), 1
		s.Handler.Env = append(s.Handler.Env, function.EnvVar{Name: workEnv, Value: "30ms"})
	}
	m.function("calm", modeServe, load)
	m.function("edited", modeServe, load, func(s *function.Spec) { s.Handler.Command = []string{"./handler.sh"} })
	file := filepath.Join(m.manifests, "edited", "handler.sh")
	m.edit(file, 1)
	u := m.up()
	p := startPublisher(u.state.NATSURL, 10*time.Millisecond, false)
	for version := 1; version <= 4; version++ {
		if version > 1 {
			m.edit(file, version)
		}
		await(t, fmt.Sprintf("version %d serves", version), func() error {
			for _, r := range m.ledger("edited").of(recordEnd) {
				if r.Version == fmt.Sprint(version) {
					return nil
				}
			}
			return fmt.Errorf("%+v", m.status("edited"))
		})
	}
	accepted := p.stop()
	u.client().awaitSettled("edited", "calm")
	for _, fn := range []string{"edited", "calm"} {
		m.checkOnce(fn, accepted)
		for _, r := range m.ledger(fn) {
			if r.Attempt > 1 {
				t.Errorf("%s: %s needed another attempt", fn, r.ID)
			}
		}
	}
	if n := len(m.ledger("calm").of(recordStart)); n != 1 {
		t.Errorf("the other function was started %d times, want 1", n)
	}
}

// edit writes a version of the handler's file as an editor does: a new file takes the place of the old one.
func (m *machine) edit(file string, version int) {
	m.t.Helper()
	text := fmt.Sprintf(script, version, os.Args[0])
	temporary := filepath.Join(filepath.Dir(m.manifests), "edited.sh")
	if err := errors.Join(os.WriteFile(temporary, []byte(text), 0o700), os.Rename(temporary, file)); err != nil {
		m.t.Fatal(err)
	}
}
