package e2e

import (
	"context"
	"slices"
	"testing"
	"time"
)

// TestStreamsAreTidy looks at the server as `nats stream ls` and `nats consumer ls` do: four streams, and the consumers of
// the functions. Nothing of the start's own checks is left.
func TestStreamsAreTidy(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.function("one", modeServe, func(s *functionSpec) { s.Triggers = append(s.Triggers, on("events.other")...) })
	m.function("two", modeFrames)
	u := m.up()
	c := u.client()
	c.mustSend("events.one", "a", "fail-once")
	c.mustSend("events.two", "b", "x")
	m.awaitEnds("one", 1)
	m.awaitEnds("two", 1)
	want := map[string][]string{
		"EVENTS":      {"default_one_event0", "default_one_event1", "default_two_event0"},
		"PELTON_WORK": {"default_one_work", "default_two_work"}, "PELTON_DEAD": nil, "PELTON_RUNS": nil,
	}
	c.checkStreams(want)

	u.stop(interrupt)
	u = m.up()
	u.client().checkStreams(want)
}

func (c *client) checkStreams(want map[string][]string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	names := c.js.StreamNames(ctx)
	seen := 0
	for name := range names.Name() {
		seen++
		consumers, known := want[name]
		if !known {
			c.t.Errorf("stream %s exists", name)
			continue
		}
		s, err := c.js.Stream(ctx, name)
		if err != nil {
			c.t.Fatal(err)
		}
		var have []string
		list := s.ConsumerNames(ctx)
		for consumer := range list.Name() {
			have = append(have, consumer)
		}
		if slices.Sort(have); list.Err() != nil || !slices.Equal(have, consumers) {
			c.t.Errorf("stream %s has consumers %v (%v), want %v", name, have, list.Err(), consumers)
		}
	}
	if names.Err() != nil || seen != len(want) {
		c.t.Errorf("%d streams (%v), want %d", seen, names.Err(), len(want))
	}
}
