package e2e

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/pelton-dev/pelton/internal/function"
)

// What the tests need often.
type functionSpec = function.Spec

var interrupt os.Signal = syscall.SIGINT

// TestTwoMachines runs two `pelton up` at one time: each has its own events and its own processes, and the end of one is
// nothing to the other.
func TestTwoMachines(t *testing.T) {
	t.Parallel()
	a, b := newMachine(t), newMachine(t)
	a.function("hello", modeServe)
	b.function("hello", modeServe)
	upA, upB := a.up(), b.up()
	clientB := upB.client()
	upA.client().mustSend("events.hello", "of-a", "x")
	clientB.mustSend("events.hello", "of-b", "x")
	a.awaitEnds("hello", 1)
	b.awaitEnds("hello", 1)
	upA.kill()
	upA.awaitNoProcess()
	clientB.mustSend("events.hello", "of-b-2", "x")
	b.awaitEnds("hello", 2)
	if n := len(a.ledger("hello").of(recordEnd)); n != 1 {
		t.Errorf("the first machine handled %d events, want 1", n)
	}
	if n := len(b.ledger("hello").with("of-a")); n != 0 {
		t.Error("the second machine handled an event of the first")
	}
}

// TestSecondUp refuses a second `pelton up` on the same state, and the first goes on.
func TestSecondUp(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.function("hello", modeServe)
	u := m.up()
	r := m.command("up", "--port", "0", "--nats-port", "0", "--state-dir", m.state, m.manifests)
	if r.exit != 4 {
		t.Errorf("exit code %d, want 4", r.exit)
	}
	contains(t, "error", r.stderr, "pid "+strconv.Itoa(u.state.PID), m.state)
	u.client().mustSend("events.hello", "one", "x")
	m.awaitEnds("hello", 1)
}

// TestPortInUse names who has the port, for both ports, and leaves nothing.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	for flag, other := range map[string]string{"--port": "--nats-port", "--nats-port": "--port"} {
		m := newMachine(t)
		m.function("hello", modeServe)
		r := m.command("up", flag, port, other, "0", "--state-dir", m.state, m.manifests)
		if r.exit != 4 {
			t.Errorf("%s: exit code %d, want 4", flag, r.exit)
		}
		contains(t, flag, r.stderr, "port "+port+" is in use by pid "+strconv.Itoa(os.Getpid()), "with "+flag)
		if len(m.ledger("hello")) > 0 {
			t.Errorf("%s: a handler was started", flag)
		}
	}
}
