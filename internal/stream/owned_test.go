package stream_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

// provisioned makes a function with everything that one can have, a neighbour whose name begins alike, and what waits for
// both.
func provisioned(t *testing.T) (jetstream.JetStream, *function.Function, *function.Function) {
	t.Helper()
	js := ensured(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OWN", Subjects: []string{"own.>"}}); err != nil {
		t.Fatal(err)
	}
	triggers := []function.Trigger{
		on("events.a"),
		{Event: &function.EventTrigger{Stream: "OWN", Subjects: []string{"own.a"}}},
		{Schedule: &function.ScheduleTrigger{Cron: "0 3 * * *", TimeZone: "UTC"}},
	}
	fn, neighbour := newFunction("fn", triggers...), newFunction("fn-2", triggers...)
	for _, f := range []*function.Function{fn, neighbour} {
		if _, err := stream.EnsureFunction(t.Context(), js, f); err != nil {
			t.Fatal(err)
		}
		for _, subject := range []string{
			"pelton.work.default." + f.Metadata.Name + ".invoke", "pelton.park.default." + f.Metadata.Name + ".EVENTS.1",
		} {
			if _, err := js.Publish(t.Context(), subject, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, subject := range []string{"events.a", "events.a", "own.a"} {
		if _, err := js.Publish(t.Context(), subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	return js, fn, neighbour
}

func owned(t *testing.T, js jetstream.JetStream, fn *function.Function) stream.Owned {
	t.Helper()
	o, err := stream.OwnedBy(t.Context(), js, fn.Key())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// checkOwned compares counts: consumers, schedules, and events due, in flight and parked.
func checkOwned(t *testing.T, o stream.Owned, want [5]int) {
	t.Helper()
	due, inFlight, parked := o.Waiting()
	if got := [5]int{len(o.Consumers), len(o.Schedules), due, inFlight, parked}; got != want {
		t.Errorf("consumers, schedules, due, in flight, parked: %v, want %v", got, want)
	}
}

// TestOwnedBy finds what a function has on all streams, and what is left when its manifest names fewer.
func TestOwnedBy(t *testing.T) {
	t.Parallel()
	js, fn, _ := provisioned(t)
	if c, err := js.Consumer(t.Context(), "OWN", stream.EventConsumer(fn.Key())); err != nil {
		t.Fatal(err)
	} else if _, err := c.Next(jetstream.FetchPriorityGroup(stream.PriorityGroup), jetstream.FetchPrioritized(0)); err != nil {
		t.Fatal(err)
	}
	checkOwned(t, owned(t, js, fn), [5]int{3, 1, 3, 1, 1})
	fn.Spec.Triggers = fn.Spec.Triggers[:1]
	if _, err := stream.EnsureFunction(t.Context(), js, fn); err != nil {
		t.Fatal(err)
	}
	checkOwned(t, owned(t, js, fn), [5]int{2, 0, 3, 0, 1})
	o := owned(t, js, newFunction("none"))
	if checkOwned(t, o, [5]int{}); !o.Nothing() {
		t.Errorf("%+v", o)
	}
	o, err := stream.OwnedBy(t.Context(), natstest.Start(t).JetStream(t), fn.Key())
	if err != nil || !o.Nothing() {
		t.Errorf("on an empty server: %+v, %v", o, err)
	}
}

// TestRemove leaves the neighbour alone, and without discard also what waits in the function's own queue.
func TestRemove(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		discard bool
		left    [5]int
		again   [5]int // once it has been provisioned again
	}{
		"keeping":    {false, [5]int{0, 0, 1, 0, 1}, [5]int{3, 1, 1, 0, 1}},
		"discarding": {true, [5]int{}, [5]int{3, 1, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js, fn, neighbour := provisioned(t)
			for range 2 {
				if err := stream.Remove(t.Context(), js, fn.Key(), owned(t, js, fn), c.discard); err != nil {
					t.Fatal(err)
				}
			}
			checkOwned(t, owned(t, js, fn), c.left)
			checkOwned(t, owned(t, js, neighbour), [5]int{3, 1, 4, 0, 1})
			if _, err := stream.EnsureFunction(t.Context(), js, fn); err != nil {
				t.Fatal(err)
			}
			checkOwned(t, owned(t, js, fn), c.again)
		})
	}
}
