package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// deletedConsumers begins the subjects on which the server tells of a consumer that was deleted; its stream and name follow.
const deletedConsumers = "$JS.EVENT.ADVISORY.CONSUMER.DELETED."

// watchLosses has Reconcile called for Functions of which somebody deletes a consumer, until ctx ends. What is not heard, as the
// connection was down, is found by the next look at the Function. It is a source of the controller.
func (q *queues) watchLosses(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	sub, err := q.nc.Subscribe(deletedConsumers+"*.*", func(m *nats.Msg) {
		if key, ours := q.noteLoss(m.Subject); ours {
			queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: key.Namespace, Name: key.Name}})
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe for consumers that are deleted: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return nil
}

// noteLoss notes since when a consumer is gone: the one that is made in its place begins there. Consumers of a function that is being
// removed are no loss.
func (q *queues) noteLoss(subject string) (function.Key, bool) {
	_, consumer, _ := strings.Cut(strings.TrimPrefix(subject, deletedConsumers), ".")
	key, ok := stream.OwnerOf(consumer)
	if !ok {
		return key, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, there := q.done[key]; !there {
		return key, false
	}
	if _, noted := q.lost[key]; !noted {
		q.lost[key] = time.Now().Add(-lossSlack)
	}
	return key, true
}

// lossSlack allows for the time that the news takes, and for clocks that differ. What was stored in it may be given again.
const lossSlack = time.Second
