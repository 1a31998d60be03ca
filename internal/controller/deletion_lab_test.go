package controller_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// TestDeletionSaysWhatItWaitsFor deletes functions that cannot go at once: one with a call that runs, one with an event that
// somebody holds, and one while NATS is away.
func TestDeletionSaysWhatItWaitsFor(t *testing.T) {
	r := startScaling(t, "ctl-deletion", func(r *rig) { r.patience = 2 * time.Minute })
	r.kubectl(sleeper(r.namespace, "{minReplicas: 0, maxReplicas: 1}"), "apply", "-f", "-")
	buried := strings.Replace(hello(r.namespace, "  onDelete: deadLetter\n"), "pelton.local/hello:dev", "pelton.local/none:dev", 1)
	r.kubectl(buried, "apply", "-f", "-")
	r.kubectl(strings.Replace(hello(r.namespace, ""), "name: hello", "name: away", 1), "apply", "-f", "-")
	for _, name := range []string{"sleeper", "hello", "away"} {
		r.awaitCondition(name, v1alpha1.StreamReady, "True", v1alpha1.ReasonProvisioned)
	}

	r.sleepFor(15*time.Second, 1)
	await(t, "a call runs", func() error { return r.inFlight("sleeper") })
	r.awaitLeaving("sleeper", "its pods end first")
	r.awaitGone("sleeper")

	held := r.holdOne("hello", "events.hello")
	r.awaitLeaving("hello", "become dead letters, as its onDelete says: 1 are left")
	if err := held.Nak(); err != nil {
		t.Fatal(err)
	}
	r.awaitGone("hello")

	r.nats.Stop()
	r.awaitLeaving("away", "NATS is away")
	r.nats.Restart(t)
	r.awaitGone("away")
}

// awaitLeaving deletes a function, and waits until its status says what that waits for and until when.
func (r *rig) awaitLeaving(name, waits string) {
	r.t.Helper()
	r.kubectl("", "-n", r.namespace, "delete", "pfn", name, "--wait=false")
	await(r.t, name+" says: "+waits, func() error {
		o, err := r.get(v1alpha1.FunctionKind, name)
		if err != nil {
			return err
		}
		c := v1alpha1.ConditionOf(o, v1alpha1.Ready)
		end := o.GetDeletionTimestamp().Add(r.patience).UTC().Format(time.RFC3339)
		if c.Reason != v1alpha1.ReasonDeleting || !strings.Contains(c.Message, waits) ||
			!strings.Contains(c.Message, "by "+end+" at the latest") {
			return fmt.Errorf("Ready is %+v", c)
		}
		return nil
	})
}

func (r *rig) awaitGone(name string) {
	r.t.Helper()
	await(r.t, name+" is gone", func() error {
		_, err := r.get(v1alpha1.FunctionKind, name)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is there"), err)
	})
}

// eventsOf is the consumer of a function's event triggers.
func (r *rig) eventsOf(name string) (jetstream.Consumer, error) {
	key := function.Key{Namespace: r.namespace, Name: name}
	return r.js.Consumer(r.t.Context(), stream.EventsStream, stream.EventConsumer(key))
}

// inFlight returns an error unless a function has exactly one event in work.
func (r *rig) inFlight(name string) error {
	c, err := r.eventsOf(name)
	if err == nil && c.CachedInfo().NumAckPending != 1 {
		err = fmt.Errorf("%d events in flight", c.CachedInfo().NumAckPending)
	}
	return err
}

// holdOne publishes an event and takes it, as a replica would that has gone silent.
func (r *rig) holdOne(name, subject string) jetstream.Msg {
	r.t.Helper()
	if _, err := r.js.Publish(r.t.Context(), subject, []byte(`{"name":"held"}`)); err != nil {
		r.t.Fatal(err)
	}
	c, err := r.eventsOf(name)
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := c.Next(jetstream.FetchPriorityGroup(stream.PriorityGroup), jetstream.FetchPrioritized(stream.WorkerPriority))
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}
