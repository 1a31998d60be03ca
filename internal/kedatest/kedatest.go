// Package kedatest plays a KEDA operator towards an external push scaler, for tests that have no cluster.
//
// It owns what KEDA 2.21 does with a scaler from the outside: how it makes a ScaledObject, polls, listens to the push
// streams, comes back after they end, and what replicas it and the HorizontalPodAutoscaler write. It is as unkind as the
// real one: no call has a deadline, all objects share one connection without keepalive, the back-off of a stream that ends
// with an error grows and is not reset by success, and a true that comes too early is dropped in silence. It knows nothing
// of Pelton, and no program links it. Not played: fallback, scaling modifiers, idle replicas, cached metrics, several
// triggers on one object, pauses, and the pods themselves.
//
// All intervals are KEDA's own, divided by Config.Speed. Close ends every object and waits for it.
package kedatest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// KEDA's and Kubernetes' own defaults.
const (
	DefaultPollingInterval = 30 * time.Second
	DefaultCooldown        = 300 * time.Second
	DefaultMaxReplicas     = 100
	DefaultReconnectMin    = 2 * time.Second
	DefaultReconnectMax    = time.Minute
	DefaultHPASync         = 15 * time.Second
	DefaultStabilization   = 300 * time.Second
	DefaultCreateRetryMin  = 5 * time.Millisecond // the controller's queue: doubling
	DefaultCreateRetryMax  = 1000 * time.Second
)

// Config says where the scaler is and how time runs. Durations are in KEDA's time: Speed is applied to them.
type Config struct {
	Addresses   []string                         // of the scaler's replicas, as a headless Service resolves to them
	Credentials credentials.TransportCredentials // nil: plaintext
	Speed       float64                          // how many times faster than KEDA, default 1

	ReconnectMin, ReconnectMax     time.Duration // of the push streams
	CreateRetryMin, CreateRetryMax time.Duration // of an object that could not be made
	HPASync                        time.Duration // between two decisions of the HorizontalPodAutoscaler

	// StatusLag is how long the operator does not see the metric names that it has written to the object's status itself:
	// it reads them from its informer's cache. Pushes that come meanwhile are dropped. Default none.
	StatusLag time.Duration

	OnEvent func(Event) // called for each event of the timeline, in order; it must not block nor call the operator
}

// Key names a ScaledObject.
type Key struct{ Namespace, Name string }

func (k Key) String() string { return k.Namespace + "/" + k.Name }

// ErrUnknownObject says that no such ScaledObject was added.
var ErrUnknownObject = errors.New("unknown ScaledObject")

// Operator is a running fake operator.
type Operator struct {
	cfg     Config
	pool    *pool
	started time.Time

	mu       sync.Mutex // guards all below and the state of every object
	objects  map[Key]*scaledObject
	timeline []Event
	changed  chan struct{} // closed at the next change; nil while nobody waits
	closed   bool
}

// New makes an operator without objects. It connects when the first is added.
func New(cfg Config) (*Operator, error) {
	if len(cfg.Addresses) == 0 {
		return nil, errors.New("addresses: at least one is needed, such as 127.0.0.1:6000")
	}
	if cfg.Speed < 0 {
		return nil, fmt.Errorf("speed: %v is negative", cfg.Speed)
	}
	cfg.Speed = cmp.Or(cfg.Speed, 1)
	cfg.ReconnectMin = cmp.Or(cfg.ReconnectMin, DefaultReconnectMin)
	cfg.ReconnectMax = cmp.Or(cfg.ReconnectMax, DefaultReconnectMax)
	cfg.CreateRetryMin = cmp.Or(cfg.CreateRetryMin, DefaultCreateRetryMin)
	cfg.CreateRetryMax = cmp.Or(cfg.CreateRetryMax, DefaultCreateRetryMax)
	cfg.HPASync = cmp.Or(cfg.HPASync, DefaultHPASync)
	if cfg.Credentials == nil {
		cfg.Credentials = insecure.NewCredentials()
	}
	return &Operator{
		cfg: cfg, pool: newPool(cfg), started: time.Now(), objects: map[Key]*scaledObject{},
	}, nil
}

// Add makes a ScaledObject, as `kubectl apply` does: it returns at once, and the operator tries until it can.
func (o *Operator) Add(obj Object) error {
	obj, err := obj.withDefaults()
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errors.New("the operator is closed")
	}
	if o.objects[obj.Key()] != nil {
		return fmt.Errorf("ScaledObject %v exists", obj.Key())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := newScaledObject(o, obj, cancel)
	o.objects[obj.Key()] = s
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
	return nil
}

// Remove deletes a ScaledObject and waits until nothing of it runs.
func (o *Operator) Remove(key Key) {
	o.mu.Lock()
	s := o.objects[key]
	delete(o.objects, key)
	o.mu.Unlock()
	if s != nil {
		s.cancel()
		<-s.done
	}
}

// Close removes all objects, waits for them, and closes the connection.
func (o *Operator) Close() {
	o.mu.Lock()
	o.closed = true
	all := make([]*scaledObject, 0, len(o.objects))
	for _, s := range o.objects {
		s.cancel()
		all = append(all, s)
	}
	o.mu.Unlock()
	for _, s := range all {
		<-s.done
	}
}

// SetAddresses changes what the scaler's name resolves to.
func (o *Operator) SetAddresses(addresses ...string) { o.pool.resolve(addresses) }

// real is how long a duration of KEDA's time takes here.
func (o *Operator) real(d time.Duration) time.Duration {
	return time.Duration(float64(d) / o.cfg.Speed)
}

// sleep waits for a duration of KEDA's time and reports whether ctx still runs.
func (o *Operator) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(o.real(d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
