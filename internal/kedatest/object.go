package kedatest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
)

// Object is a ScaledObject with one trigger of type external-push and metric type AverageValue, the default. Durations are
// in KEDA's time; zero is KEDA's default and -1 is none.
type Object struct {
	Namespace, Name string
	Metadata        map[string]string // of the trigger, as KEDA hands it on

	Replicas    int // of the Deployment when the object is made
	MinReplicas int
	MaxReplicas int

	PollingInterval time.Duration
	Cooldown        time.Duration
	InitialCooldown time.Duration // default none

	// ScaleDownStabilization is the window of the HorizontalPodAutoscaler. Giving one gives the autoscaler a behaviour, as
	// in Kubernetes, whose other rules are then the defaults of a behaviour and not those of an autoscaler without.
	ScaleDownStabilization time.Duration
}

// Key returns the object's name.
func (obj Object) Key() Key { return Key{obj.Namespace, obj.Name} }

func (obj Object) withDefaults() (Object, error) {
	if obj.Namespace == "" || obj.Name == "" {
		return obj, errors.New("object: namespace and name are needed")
	}
	obj.MaxReplicas = cmp.Or(obj.MaxReplicas, DefaultMaxReplicas)
	if obj.MinReplicas < 0 || obj.MinReplicas > obj.MaxReplicas {
		return obj, fmt.Errorf("object %v: minReplicas %d is not between 0 and maxReplicas %d", obj.Key(),
			obj.MinReplicas, obj.MaxReplicas)
	}
	obj.PollingInterval = cmp.Or(obj.PollingInterval, DefaultPollingInterval)
	if obj.PollingInterval < 0 {
		return obj, fmt.Errorf("object %v: pollingInterval %v is negative", obj.Key(), obj.PollingInterval)
	}
	obj.Cooldown = max(0, cmp.Or(obj.Cooldown, DefaultCooldown))
	obj.InitialCooldown = max(0, obj.InitialCooldown)
	obj.Metadata = maps.Clone(obj.Metadata)
	return obj, nil
}

// Spec is one metric of an object and its target per replica.
type Spec struct {
	Name   string
	Target float64
}

// Status is what is known of an object now, and what has happened to it so far.
type Status struct {
	Replicas   int
	Created    bool // there is an autoscaler, a poll loop and a push stream
	Err        error
	LastActive time.Time

	GoodPollBegan time.Time // the last poll that was answered

	Active bool    // as last polled or asked for the autoscaler
	Value  float64 // the sum of the values that came last
	Spec   Spec    // the one that the autoscaler has
	Counters

	Backoff     time.Duration // before StreamIsActive is opened again, in KEDA's time
	SpecBackoff time.Duration // the same for StreamMetricSpec
}

// Counters count what has happened to one object.
type Counters struct {
	CreateAttempts int
	SpecCalls      int // GetMetricSpec
	Polls          int
	PollErrors     int
	HPASyncs       int // that asked for the metric
	HPAErrors      int
	CachesCleared  int // after an error: the scaler is built anew at the next call

	StreamsOpened int // StreamIsActive
	CleanEnds     int
	UncleanEnds   int // failed attempts to open one as well
	Trues         int
	TruesDropped  int // of Trues: the metric names were missing
	FalsesIgnored int

	SpecStreamsOpened int // StreamMetricSpec
	SpecStreamsEnded  int // failed attempts to open one as well
	SpecUpdates       int
	SpecUnimplemented bool // the scaler has no StreamMetricSpec: not tried again
}

// scaledObject is one object and the goroutines that serve it.
type scaledObject struct {
	op      *Operator
	obj     Object
	ref     *pb.ScaledObjectRef
	created time.Time
	cancel  context.CancelFunc
	done    chan struct{} // closed when run has returned

	scaling sync.Mutex // as KEDA's: held by a poll with all its calls, and by a push while it scales

	// Guarded by Operator.mu.
	status      Status
	namesSeenAt time.Time // when the operator begins to see the metric names; zero before they are written
	hpaSpecs    []Spec    // of the autoscaler
	hpaRecord   *observation
	cache       *cache // nil after an error, until the next call
}

func newScaledObject(op *Operator, obj Object, cancel context.CancelFunc) *scaledObject {
	return &scaledObject{
		op: op, obj: obj, created: time.Now(), cancel: cancel, done: make(chan struct{}),
		ref:    &pb.ScaledObjectRef{Namespace: obj.Namespace, Name: obj.Name, ScalerMetadata: obj.Metadata},
		status: Status{Replicas: obj.Replicas},
	}
}

// run serves the object until ctx ends. Nothing but the attempts to make it runs before one has worked.
func (s *scaledObject) run(ctx context.Context) {
	defer s.clear(ctx, nil)
	if !s.create(ctx) {
		return
	}
	var wg sync.WaitGroup
	for _, loop := range []func(context.Context){s.pollLoop, s.pushLoop, s.specLoop, s.hpaLoop} {
		wg.Go(func() { loop(ctx) })
	}
	wg.Wait()
}

// create tries to make the autoscaler until it can, and reports whether ctx still runs.
func (s *scaledObject) create(ctx context.Context) bool {
	for retry := s.op.cfg.CreateRetryMin; ; retry = min(2*retry, s.op.cfg.CreateRetryMax) {
		err := s.tryCreate(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		s.event(KindError, fmt.Sprintf("cannot be made: %v", err), func(st *Status) { st.Err = err })
		if !s.op.sleep(ctx, retry) {
			return false
		}
	}
}

func (s *scaledObject) tryCreate(ctx context.Context) error {
	s.count(func(c *Counters) { c.CreateAttempts++ })
	l, err := s.lease()
	if err != nil {
		return err
	}
	defer l.release()
	specs, err := s.askSpecs(ctx)
	if err != nil {
		return err
	}
	return s.reconcile(specs)
}

// reconcile writes the metric names and the autoscaler.
func (s *scaledObject) reconcile(specs []Spec) error {
	if err := validateSpecs(specs); err != nil {
		return err
	}
	s.event(KindReconciled, fmt.Sprintf("autoscaler with %v", specs), func(st *Status) {
		if s.namesSeenAt.IsZero() {
			s.namesSeenAt = time.Now().Add(s.op.real(s.op.cfg.StatusLag))
		}
		st.Created, st.Err, st.Spec = true, nil, specs[0]
		s.hpaSpecs = specs
	})
	return nil
}
