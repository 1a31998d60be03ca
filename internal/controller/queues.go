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

// natsTimeout bounds what is done on NATS in one reconciliation, and waitForStreams how long one waits until another has looked at
// the streams: longer than that takes, and short enough to leave workers for Functions that need nothing of NATS.
const (
	natsTimeout    = 20 * time.Second
	waitForStreams = 2 * time.Second
)

var (
	errNotConnected = errors.New("NATS is not connected")
	errSlow         = errors.New("NATS is slow: the streams of Pelton are still being looked at")
)

// queues provisions functions on NATS. What was done is not looked at again until recheck is over: a Deployment whose replicas
// come and go is reconciled each time, and its consumers are no different then.
type queues struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	replicas int
	recheck  time.Duration

	mu      sync.Mutex // guards what follows, and is not held while NATS is asked
	streams time.Time  // when they were last looked at
	refused error      // what the server did not do to them then
	looking *look      // whoever looks at them now, nil if nobody does
	done    map[function.Key]provisioned
	lost    map[function.Key]time.Time // when the first of a function's consumers was deleted that is not there again
}

// look is one look at the streams. err is written before done is closed, and not after.
type look struct {
	done chan struct{}
	err  error
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
	return &queues{
		nc: nc, js: js, replicas: replicas, recheck: recheck,
		done: map[function.Key]provisioned{}, lost: map[function.Key]time.Time{},
	}, nil
}

// provision brings streams, consumers, schedules and the catalog to what the function asks for. If the error is one that stream.Refused
// reports, everything else is there.
func (q *queues) provision(ctx context.Context, fn *function.Function, uid string, generation int64) error {
	q.mu.Lock()
	done, lost, refused := q.done[fn.Key()], q.lost[fn.Key()], q.refused
	q.mu.Unlock()
	if done.uid == uid && done.generation == generation && time.Since(done.at) < q.recheck && lost.IsZero() {
		return refused
	}
	if !q.nc.IsConnected() {
		return errNotConnected
	}
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	refused = q.ensureStreams(ctx)
	if refused != nil && !stream.Refused(refused) {
		return refused
	}
	if err := stream.Check(ctx, q.js, fn); err != nil {
		return err
	}
	if _, err := stream.EnsureFunctionSince(ctx, q.js, fn, lost); err != nil {
		return err
	}
	if err := catalog.Put(ctx, q.js, fn); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done[fn.Key()] = provisioned{uid, generation, time.Now()}
	if q.lost[fn.Key()].Equal(lost) {
		delete(q.lost, fn.Key())
	}
	return refused
}

// ensureStreams makes our own streams, for all functions. Whoever comes while another does waits for it, but not for long.
func (q *queues) ensureStreams(ctx context.Context) error {
	q.mu.Lock()
	if time.Since(q.streams) < q.recheck {
		defer q.mu.Unlock()
		return q.refused
	}
	other := q.looking
	if other == nil {
		q.looking = &look{done: make(chan struct{})}
	}
	mine := q.looking
	q.mu.Unlock()
	if other == nil {
		return q.lookAtStreams(ctx, mine)
	}
	ctx, cancel := context.WithTimeout(ctx, waitForStreams)
	defer cancel()
	select {
	case <-other.done:
		return other.err
	case <-ctx.Done():
		return errSlow
	}
}

// lookAtStreams is the look that others wait for.
func (q *queues) lookAtStreams(ctx context.Context, l *look) error {
	began := time.Now()
	cfg := stream.Config{MaxPayload: q.nc.MaxPayload(), Replicas: q.replicas}
	_, l.err = stream.Ensure(ctx, q.js, cfg)
	if l.err == nil || stream.Refused(l.err) {
		if err := catalog.Ensure(ctx, q.js, q.replicas); stream.Refused(err) {
			l.err = errors.Join(l.err, err)
		} else if err != nil {
			l.err = err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.looking == l { // nothing was forgotten meanwhile
		q.looking = nil
		if l.err == nil || stream.Refused(l.err) {
			q.streams, q.refused = began, l.err
		}
	}
	close(l.done)
	return l.err
}

// forget has the next provision look at everything.
func (q *queues) forget(key function.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.done, key)
	delete(q.lost, key)
	q.streams, q.looking = time.Time{}, nil
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
