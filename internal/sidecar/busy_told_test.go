package sidecar_test

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// heard subscribes for what the fixture's replica tells. flush returns once all of it has come.
func (f *fixture) heard() (told <-chan *nats.Msg, flush func()) {
	f.t.Helper()
	ch := make(chan *nats.Msg, 100)
	nc := f.srv.Conn(f.t)
	if _, err := nc.ChanSubscribe(event.BusyFilter, ch); err != nil {
		f.t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		f.t.Fatal(err)
	}
	return ch, func() {
		for _, c := range []*nats.Conn{f.nc, nc} {
			if err := c.Flush(); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

// TestBusyIsTold has one call that lasts, and then a stop.
func TestBusyIsTold(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	f := setup(t, nil, func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return invoke.Outcome{}, nil
	})
	f.cfg.TellBusy = true
	heard, flush := f.heard()
	r := f.start()
	f.publish("events.hello", "", ceHeader("1"))
	f.publish("events.hello", "", ceHeader("2"))
	m := waittest.Receive(t, heard)
	if m.Subject != "pelton.busy.default.hello.r1" || string(m.Data) != "2" && string(m.Data) != "1" {
		t.Fatalf("told %s %q", m.Subject, m.Data)
	}
	r.cancel()
	for string(m.Data) != event.Leaving {
		m = waittest.Receive(t, heard)
	}
	close(release)
	r.stop(t)
	flush()
	if len(heard) > 0 {
		t.Errorf("after it left it told %q", (<-heard).Data)
	}
}

// TestShortCallsTellNothing: a stop waits for them no longer than for an idle replica. What is told last is that it leaves.
func TestShortCallsTellNothing(t *testing.T) {
	t.Parallel()
	f := setup(t, nil, done)
	f.cfg.TellBusy = true
	heard, _ := f.heard()
	r := f.start()
	for i := range 50 {
		f.publish("events.hello", "", msg(i).Header)
	}
	f.awaitSettled()
	r.stop(t)
	if m := waittest.Receive(t, heard); string(m.Data) != event.Leaving {
		t.Errorf("told %q", m.Data)
	}
}

// TestNothingIsTold by a replica that was not asked to, and by one whose name cannot be part of a subject.
func TestNothingIsTold(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*fixture){
		"not asked": func(f *fixture) { f.cfg.TellBusy = false },
		"bad name":  func(f *fixture) { f.cfg.TellBusy, f.cfg.Replica = true, "host.example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil, done)
			change(f)
			heard, flush := f.heard()
			r := f.start()
			waittest.Receive(t, r.Ready())
			r.stop(t)
			flush()
			if len(heard) > 0 {
				t.Errorf("told %q", (<-heard).Data)
			}
		})
	}
}
