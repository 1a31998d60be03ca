package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
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
	one, two := function.Key{Namespace: "default", Name: "one"}, function.Key{Namespace: "default", Name: "two"}
	want := map[string][]string{
		"EVENTS":      {stream.EventConsumer(one), stream.EventConsumer(two)},
		"PELTON_WORK": {"default_one_work", "default_two_work"}, "PELTON_DEAD": nil, "PELTON_RUNS": nil, "PELTON_LEASES": nil,
		"PELTON_RESULTS": nil, "PELTON_BODIES": nil,
	}
	c.awaitStreams(want)

	u.stop(interrupt)
	u = m.up()
	u.client().awaitStreams(want)
}

// awaitStreams waits until the server has those streams with those consumers, and nothing else. The start's own check of
// what the server can do needs a stream for a moment.
func (c *client) awaitStreams(want map[string][]string) {
	c.t.Helper()
	await(c.t, "the streams are tidy", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		have := map[string][]string{}
		names := c.js.StreamNames(ctx)
		for name := range names.Name() {
			consumers, err := c.consumers(ctx, name)
			if err != nil {
				return err
			}
			have[name] = consumers
		}
		if names.Err() == nil && !maps.EqualFunc(have, want, slices.Equal) {
			return fmt.Errorf("streams %v, want %v", have, want)
		}
		return names.Err()
	})
}

// consumers returns the names of a stream's consumers, sorted.
func (c *client) consumers(ctx context.Context, name string) ([]string, error) {
	s, err := c.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	var have []string
	list := s.ConsumerNames(ctx)
	for consumer := range list.Name() {
		have = append(have, consumer)
	}
	slices.Sort(have)
	return have, list.Err()
}
