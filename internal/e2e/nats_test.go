package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/stream"
)

// client is a publisher, and somebody who looks at the server, as any NATS user may.
type client struct {
	t  *testing.T
	nc *nats.Conn
	js jetstream.JetStream
}

func (u *up) client() *client {
	u.m.t.Helper()
	c, err := dial(u.state.NATSURL)
	if err != nil {
		u.m.t.Fatal(err)
	}
	c.t = u.m.t
	u.m.t.Cleanup(c.nc.Close)
	return c
}

func dial(url string) (*client, error) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.Timeout(10*time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &client{nc: nc, js: js}, nil
}

// send stores an event with an id and waits until it is accepted.
func (c *client) send(subject, id, data string) error {
	return c.sendWithin(30*time.Second, subject, id, data)
}

func (c *client) sendWithin(d time.Duration, subject, id, data string) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	_, err := c.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: []byte(data), Header: nats.Header{
		"ce-specversion": {"1.0"}, "ce-id": {id}, "ce-source": {"//e2e"}, "ce-type": {"e2e.test"}, "Nats-Msg-Id": {id},
	}})
	return err
}

func (c *client) mustSend(subject, id, data string) {
	c.t.Helper()
	if err := c.send(subject, id, data); err != nil {
		c.t.Fatalf("publish %s: %v", id, err)
	}
}

// awaitSettled waits until the server has nothing left of a function's events, neither now nor for later.
func (c *client) awaitSettled(functions ...string) {
	c.t.Helper()
	c.awaitAcknowledged(functions...)
	await(c.t, "nothing is left in "+stream.WorkStream, func() error {
		for _, fn := range functions {
			if left := c.leftovers(fn); len(left) > 0 {
				return fmt.Errorf("of %s: %v", fn, left)
			}
		}
		return nil
	})
}

// awaitAcknowledged waits until everything that is due was delivered and acknowledged, and no retry is parked.
func (c *client) awaitAcknowledged(functions ...string) {
	c.t.Helper()
	await(c.t, "everything is acknowledged", func() error {
		for _, fn := range functions {
			if err := c.unacknowledged(fn); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *client) unacknowledged(fn string) error {
	for _, l := range c.leftovers(fn) {
		if strings.HasPrefix(l.subject, "pelton.park.") {
			return fmt.Errorf("parked: %v", l)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, streamName := range []string{stream.EventsStream, stream.WorkStream} {
		if err := c.unacknowledgedOn(ctx, streamName, fn); err != nil {
			return err
		}
	}
	return nil
}

// unacknowledgedOn looks at every consumer that a function has on a stream, and there is at least one.
func (c *client) unacknowledgedOn(ctx context.Context, streamName, fn string) error {
	s, err := c.js.Stream(ctx, streamName)
	if err != nil {
		return err
	}
	found := 0
	list := s.ListConsumers(ctx)
	for info := range list.Info() {
		if !strings.HasPrefix(info.Name, "default_"+fn+"_") {
			continue
		}
		found++
		if info.NumPending > 0 || info.NumAckPending > 0 {
			return fmt.Errorf("%s on %s: %d pending, %d unacknowledged", info.Name, streamName, info.NumPending, info.NumAckPending)
		}
	}
	if err := list.Err(); err != nil {
		return err
	}
	if found == 0 {
		return fmt.Errorf("%s has no consumer on %s", fn, streamName)
	}
	return nil
}

// leftover is a message of a function in the work stream.
type leftover struct {
	subject, id string
	sequence    uint64
	stored      time.Time
}

func (c *client) leftovers(fn string) (left []leftover) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := c.js.Stream(ctx, stream.WorkStream)
	if err != nil {
		c.t.Fatal(err)
	}
	for seq := uint64(1); ; {
		m, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject("pelton.*.default."+fn+".>"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return left
		}
		if err != nil {
			c.t.Fatal(err)
		}
		left = append(left, leftover{m.Subject, m.Header.Get("ce-id"), m.Sequence, m.Time})
		seq = m.Sequence + 1
	}
}

// deadLetters returns the dead letters of a function.
func (c *client) deadLetters(fn string) []deadletter.Letter {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	letters, err := deadletter.List(ctx, c.js, deadletter.Filter{Namespace: "default", Function: fn})
	if err != nil {
		c.t.Fatal(err)
	}
	return letters
}

// count returns how many messages a stream holds.
func (c *client) count(name string) int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := c.js.Stream(ctx, name)
	if err != nil {
		c.t.Fatal(err)
	}
	return int(s.CachedInfo().State.Msgs)
}

// awaitEnds waits until a function has handled so many events with success.
func (m *machine) awaitEnds(function string, n int) {
	m.t.Helper()
	await(m.t, fmt.Sprintf("%s handles %d events", function, n), func() error {
		if got := len(m.ledger(function).of(recordEnd).ids()); got < n {
			return fmt.Errorf("%d handled", got)
		}
		return nil
	})
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: no %q in %q", what, part, text)
		}
	}
}
