package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/pelton-dev/pelton/internal/kedatest"
	"github.com/pelton-dev/pelton/internal/stream"
)

const (
	restarts        = 20
	restartWaiting  = 50
	restartPolls    = 10 * time.Second
	restartEvents   = 60 * time.Millisecond  // between two of them
	restartDown     = 500 * time.Millisecond // longer each time
	restartPatience = 2 * time.Minute
)

// restarts kills the scaler again and again while events come for functions at zero. Those that came before it was back, and
// those that come right after, must all be told to a KEDA whose streams have just broken.
func (w *scalerWorld) restarts(ctx context.Context, t *table) error {
	if _, err := w.startScaler(ctx); err != nil {
		return err
	}
	defer func() { w.process.stop() }()
	k, err := newWaiting(ctx, w)
	if err != nil {
		return err
	}
	defer k.op.Close()
	var longest []float64
	for i := range w.opts.few(restarts) {
		d, err := k.round(ctx, w, time.Duration(i)*restartDown)
		if err != nil {
			return fmt.Errorf("restart %d: %w", i+1, err)
		}
		fmt.Fprintf(os.Stderr, "bench: restart %d: all %d woken within %.2f s\n", i+1, len(k.keys), d.Seconds())
		longest = append(longest, d.Seconds())
	}
	what := fmt.Sprintf("scaler, killed %d times, %d functions waiting, port until all are woken", len(longest), len(k.keys))
	t.limit(what+", median, s", "%.2f", 10, median(longest), "below 1.00")
	t.limit("  worst, s", "%.2f", 10, quantile(longest, 1), "below 1.00")
	return nil
}

// waiting is a KEDA with objects at zero.
type waiting struct {
	op    *kedatest.Operator
	keys  []kedatest.Key
	first int // the function of the first object

	mu    sync.Mutex
	woken map[kedatest.Key]time.Time // to one replica, for the last time
}

func newWaiting(ctx context.Context, w *scalerWorld) (_ *waiting, err error) {
	k := &waiting{woken: map[kedatest.Key]time.Time{}, first: max(0, len(w.fns)-restartWaiting)}
	k.op, err = kedatest.New(kedatest.Config{Addresses: []string{w.address}, OnEvent: k.note})
	if err != nil {
		return nil, err
	}
	for _, fn := range w.fns[k.first:] {
		obj := kedatest.Object{
			Namespace: fn.Metadata.Namespace, Name: fn.Metadata.Name, Metadata: map[string]string{"function": fn.Metadata.Name},
			PollingInterval: restartPolls, Cooldown: -1,
		}
		k.keys = append(k.keys, obj.Key())
		if err := k.op.Add(obj); err != nil {
			k.op.Close()
			return nil, err
		}
		time.Sleep(restartPolls / restartWaiting) // nobody's objects are polled all at once
	}
	for _, key := range k.keys {
		_, err := k.op.Await(ctx, key, "an open stream", func(s kedatest.Status) bool { return s.FalsesIgnored > 0 })
		if err != nil {
			k.op.Close()
			return nil, err
		}
	}
	return k, nil
}

func (k *waiting) note(e kedatest.Event) {
	if e.Kind == kedatest.KindReplicas && e.From == 0 {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.woken[e.Key] = e.Time
	}
}

// round kills the scaler and has it back after a while. Events come all the time. It returns the longest that a function
// waited for its replica: from its event on, or from when the port took connections if it waited already.
func (k *waiting) round(ctx context.Context, w *scalerWorld, down time.Duration) (time.Duration, error) {
	_ = w.process.cmd.Process.Kill()
	_ = w.process.cmd.Wait() // it was killed
	published := make([]time.Time, len(k.keys))
	publishing := make(chan error, 1)
	go func() { publishing <- k.publish(ctx, w, published) }()
	time.Sleep(down)
	back, err := w.startScaler(ctx)
	if err != nil {
		return 0, err
	}
	if err := <-publishing; err != nil {
		return 0, fmt.Errorf("publish: %w", err)
	}
	if err := k.await(ctx, 1); err != nil {
		return 0, err
	}
	longest := k.longest(published, back)
	if err := w.purge(ctx); err != nil {
		return 0, err
	}
	return longest, k.await(ctx, 0)
}

// purge takes all events away, as if they were done.
func (w *scalerWorld) purge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restartPatience)
	defer cancel()
	events, err := w.js.Stream(ctx, stream.EventsStream)
	if err == nil {
		err = events.Purge(ctx)
	}
	if err != nil {
		return fmt.Errorf("purge events: %w", err)
	}
	return nil
}

// publish sends every function one event, as they come.
func (k *waiting) publish(ctx context.Context, w *scalerWorld, published []time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, restartPatience)
	defer cancel()
	for _, i := range rand.Perm(len(k.keys)) {
		published[i] = time.Now()
		if _, err := w.js.PublishMsg(ctx, benchEvent(wakeSubject(k.first+i), i, []byte(`{}`))); err != nil {
			return err
		}
		time.Sleep(restartEvents)
	}
	return nil
}

func (k *waiting) await(ctx context.Context, replicas int) error {
	ctx, cancel := context.WithTimeout(ctx, restartPatience)
	defer cancel()
	for _, key := range k.keys {
		if err := k.op.AwaitReplicas(ctx, key, replicas); err != nil {
			return err
		}
	}
	return nil
}

func (k *waiting) longest(published []time.Time, back time.Time) (longest time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, key := range k.keys {
		since := back
		if published[i].After(back) {
			since = published[i]
		}
		longest = max(longest, k.woken[key].Sub(since))
	}
	return longest
}
