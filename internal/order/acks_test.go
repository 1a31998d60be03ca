package order

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// confirmer stands for the server's end of acknowledgements. It notes them, and confirms those that it is to.
type confirmer struct {
	mu   sync.Mutex
	seen []string
	deaf bool
}

func (c *confirmer) hear(m *nats.Msg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, m.Subject)
	if !c.deaf {
		_ = m.Respond(nil)
	}
}

func (c *confirmer) set(deaf bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf, c.seen = deaf, nil
}

func (c *confirmer) await(t *testing.T, want ...string) {
	t.Helper()
	waittest.Eventually(t, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !slices.Equal(c.seen, want) {
			return fmt.Errorf("acknowledged %v, want %v", c.seen, want)
		}
		return nil
	})
}

func toAck(sequence uint64, key string) *Event {
	e := newEvent(sequence, key)
	e.Msg.Reply = fmt.Sprintf("ack.%d", sequence)
	return e
}

// TestAcks wants what is settled to be acknowledged in the order of the stream, once it is known what the server remembers; of a
// key the later ones only when the earlier ones are confirmed; and again what was never confirmed.
func TestAcks(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	var c confirmer
	other := srv.Conn(t)
	if _, err := other.Subscribe("ack.>", c.hear); err != nil {
		t.Fatal(err)
	}
	if err := other.Flush(); err != nil {
		t.Fatal(err)
	}
	sound := soundness{nc: nc}
	a := newAcks(nc, &sound, zap.NewNop())
	a.add(toAck(3, "a"), toAck(1, "a"))
	a.add(toAck(2, "b"))
	ctx := t.Context()
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	running.Go(func() { a.run(ctx) })
	waittest.Eventually(t, func() error { // it has looked
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.session != sessionOf(nc) || len(a.sent) > 0 {
			return errors.New("sent before the source is sound")
		}
		return nil
	})
	c.await(t)
	sound.in(source, sessionOf(nc))
	poke(a.kick)
	c.await(t, "ack.1", "ack.2", "ack.3")

	c.set(true)
	a.add(toAck(4, "a"))
	c.await(t, "ack.4")
	a.add(toAck(5, "a"), toAck(6, "b"))
	c.await(t, "ack.4", "ack.6")
	c.set(false)
	waittest.Eventually(t, func() error { // what nobody confirms may have been forgotten
		if sound.of(source) {
			return errors.New("still sound")
		}
		return nil
	})
	sound.in(source, sessionOf(nc))
	c.await(t, "ack.4", "ack.5", "ack.6")
	waittest.Eventually(t, func() error {
		if !a.none() {
			return errors.New("some are not confirmed")
		}
		return nil
	})
}

// TestAcksOfFormerLives forgets what nobody can confirm any more.
func TestAcksOfFormerLives(t *testing.T) {
	t.Parallel()
	a := newAcks(natstest.Start(t).Conn(t), &soundness{}, zap.NewNop())
	a.add(toAck(1, "a"), toAck(2, "a"))
	a.sent[9] = sentAck{event: toAck(3, "b")}
	a.retire([]string{"other"})
	if len(a.waiting) != 2 || len(a.sent) != 1 {
		t.Errorf("%d waiting, %d sent", len(a.waiting), len(a.sent))
	}
	if a.retire([]string{source}); !a.none() {
		t.Error("something is left")
	}
}

// TestSoundness ends with the connection.
func TestSoundness(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	s := soundness{nc: nc}
	if s.of(source) {
		t.Error("sound before anybody has said so")
	}
	s.in(source, sessionOf(nc))
	if !s.of(source) || s.of("other") {
		t.Error("not sound, or another one is")
	}
	srv.Restart(t)
	waittest.Eventually(t, func() error {
		if s.of(source) {
			return errors.New("still sound")
		}
		return nil
	})
}
