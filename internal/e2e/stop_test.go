package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// TestStopUp stops `pelton up` as a person or a service manager does, while it works: nothing is lost, nothing is done
// twice, nothing is left, and the next start goes on at once.
func TestStopUp(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for name, mode := range map[string]string{"http": modeForks, "frames": modeFrames} {
		m.function(name, mode, func(s *function.Spec) {
			s.Triggers, s.Concurrency = on("events.load.>"), 8
			s.Handler.Env = append(s.Handler.Env, function.EnvVar{Name: workEnv, Value: "100ms"})
		})
	}
	u := m.up()
	p := startPublisher(u.state.NATSURL, 10*time.Millisecond, true)
	before := 0
	for _, stop := range []struct {
		signal os.Signal
		exit   int
	}{{syscall.SIGINT, 0}, {syscall.SIGTERM, 0}, {syscall.SIGINT, 0}} {
		before += 40
		m.awaitEnds("http", before)
		m.awaitEnds("frames", before)
		if exit := u.stop(stop.signal); exit != stop.exit {
			t.Errorf("exit code %d after %v, want %d", exit, stop.signal, stop.exit)
		}
		if _, err := os.Stat(filepath.Join(m.state, "up.json")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("state file after %v: %v", stop.signal, err)
		}
		if left := processesWith(tagEnv + "=" + u.tag); len(left) > 0 {
			t.Errorf("processes after %v: %v", stop.signal, left)
		}
		u = m.up()
		p.connect(u.state.NATSURL)
	}
	accepted := p.stop()
	c := u.client()
	c.awaitSettled("http", "frames")
	for _, fn := range []string{"http", "frames"} {
		m.checkOnce(fn, accepted)
	}
	if dead := c.count(stream.DeadStream); dead != 0 {
		t.Errorf("%d dead letters, want none", dead)
	}
}

// checkOnce makes sure that each event was handled with success exactly once.
func (m *machine) checkOnce(fn string, accepted []sent) {
	m.t.Helper()
	ids := make([]string, 0, len(accepted))
	for _, s := range accepted {
		ids = append(ids, s.id)
	}
	lost, duplicates := tally(ids, m.ledger(fn).of(recordEnd).ids())
	if len(lost) > 0 || duplicates > 0 {
		m.t.Errorf("%s: of %d events %d lost, %d handled twice: %v", fn, len(ids), len(lost), duplicates, lost)
	}
}

// TestSecondSignal makes sure that nobody has to wait for a handler that does not end: the second Ctrl-C exits at once.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.function("slow", modeForks)
	u := m.up("--grace", "10m", "-o", "text")
	u.client().mustSend("events.slow", "one", "hang")
	await(t, "the call runs", func() error {
		if len(m.ledger("slow").of(recordBegin)) == 0 {
			return errors.New("no call")
		}
		return nil
	})
	if err := u.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	await(t, "it says that it stops", func() error {
		if out, _ := os.ReadFile(u.output); len(out) == 0 || !hasLine(out, "stopping:") {
			return errors.New(u.tail())
		}
		return nil
	})
	await(t, "it ends", func() error {
		if u.over() {
			return nil
		}
		return errors.Join(errors.New("it runs"), u.cmd.Process.Signal(syscall.SIGINT)) // right after the first, one may not count
	})
	if exit := u.cmd.ProcessState.ExitCode(); exit != 130 {
		t.Errorf("exit code %d, want 130", exit)
	}
	u.awaitNoProcess()
}
