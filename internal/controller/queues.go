package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// natsTimeout bounds what is done on NATS in one reconciliation.
const natsTimeout = 20 * time.Second

var errNotConnected = errors.New("NATS is not connected")

// queues provisions functions on NATS. What was done is not looked at again until recheck is over: a Deployment whose replicas
// come and go is reconciled each time, and its consumers are no different then.
type queues struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	replicas int
	recheck  time.Duration

	mu      sync.Mutex // guards what follows
	streams time.Time  // when they were last looked at
	done    map[function.Key]provisioned
}

// provisioned is a function as it was when its consumers were made.
type provisioned struct {
	uid        string
	generation int64
	at         time.Time
}

func newQueues(nc *nats.Conn, replicas int, recheck time.Duration) (*queues, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	return &queues{nc: nc, js: js, replicas: replicas, recheck: recheck, done: map[function.Key]provisioned{}}, nil
}

// provision brings streams, consumers, schedules and the catalog to what the function asks for.
func (q *queues) provision(ctx context.Context, fn *function.Function, uid string, generation int64) error {
	q.mu.Lock()
	done := q.done[fn.Key()]
	q.mu.Unlock()
	if done.uid == uid && done.generation == generation && time.Since(done.at) < q.recheck {
		return nil
	}
	if !q.nc.IsConnected() {
		return errNotConnected
	}
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	if err := q.ensureStreams(ctx); err != nil {
		return err
	}
	if err := stream.Check(ctx, q.js, fn); err != nil {
		return err
	}
	if _, err := stream.EnsureFunction(ctx, q.js, fn); err != nil {
		return err
	}
	if err := catalog.Put(ctx, q.js, fn); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done[fn.Key()] = provisioned{uid, generation, time.Now()}
	return nil
}

// ensureStreams makes our own streams, for all functions. Whoever comes while another does waits for it.
func (q *queues) ensureStreams(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.streams) < q.recheck {
		return nil
	}
	cfg := stream.Config{MaxPayload: q.nc.MaxPayload(), Replicas: q.replicas}
	if _, err := stream.Ensure(ctx, q.js, cfg); err != nil {
		return err
	}
	if err := catalog.Ensure(ctx, q.js, q.replicas); err != nil {
		return err
	}
	q.streams = time.Now()
	return nil
}

// forget has the next provision look at everything.
func (q *queues) forget(key function.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.done, key)
	q.streams = time.Time{}
}

// remove takes a function off NATS. The catalog comes first, so that no scaler starts replicas for what goes away. left counts
// the events that wait and are still to become dead letters; nothing else was removed then. fn is nil if the manifest is invalid.
func (q *queues) remove(ctx context.Context, key function.Key, wish function.OnDelete, fn *function.Function) (left int, err error) {
	q.forget(key)
	if !q.nc.IsConnected() {
		return 0, errNotConnected
	}
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	if err := catalog.Remove(ctx, q.js, key); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, err
	}
	owned, err := stream.OwnedBy(ctx, q.js, key)
	if err != nil {
		return 0, err
	}
	if wish == function.OnDeleteDeadLetter {
		if left, err := q.bury(ctx, key, fn, &owned); left > 0 || err != nil {
			return left, err
		}
	}
	return 0, stream.Remove(ctx, q.js, key, owned, wish == function.OnDeleteDiscard)
}
