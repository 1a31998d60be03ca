package controller

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

// TestLostConsumerIsNoticed deletes a consumer by hand: its function is looked at, and what was published meanwhile is not skipped.
func TestLostConsumerIsNoticed(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	q, err := newQueues(srv.Conn(t), 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	work := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(work.ShutDown)
	if err := q.watchLosses(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	fn := &function.Function{Metadata: function.Metadata{Namespace: "shop", Name: "fn"}}
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{"events.a"}}}}
	fn.SetDefaults()
	provision := func() {
		t.Helper()
		if err := q.provision(t.Context(), fn, "uid", 1); err != nil {
			t.Fatal(err)
		}
	}
	provision()
	if err := q.js.DeleteConsumer(t.Context(), stream.EventsStream, stream.EventConsumer(fn.Key())); err != nil {
		t.Fatal(err)
	}
	if _, err := q.js.Publish(t.Context(), "events.a", nil); err != nil {
		t.Fatal(err)
	}
	got, _ := work.Get()
	if want := (types.NamespacedName{Namespace: "shop", Name: "fn"}); got.NamespacedName != want {
		t.Fatalf("to be looked at: %v", got)
	}
	provision()
	c, err := q.js.Consumer(t.Context(), stream.EventsStream, stream.EventConsumer(fn.Key()))
	if err != nil {
		t.Fatal(err)
	}
	if n := c.CachedInfo().NumPending; n != 1 {
		t.Errorf("%d events wait, want the one that was published while there was no consumer", n)
	}
	if _, lost := q.lost[fn.Key()]; lost {
		t.Error("the consumer counts as lost although it is there")
	}
}
