package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// jumpWindow is how long after a wake a function may jump. Whatever comes later is the HPA's, which looks every 15 s.
const jumpWindow = 5 * time.Second

// jumpsAtOnce bounds the functions whose queues are looked at together: a thousand may wake at the same moment.
const jumpsAtOnce = 16

// jumper takes a function that wakes with a deep backlog from its first replica to as many as are wanted, in one write.
//
// KEDA makes the first replica, and only then the jump comes: KEDA reads the number of replicas from its cache, and would set a
// number that it has not seen yet back to 1. So a wake is a Deployment that leaves zero, and there is nothing to watch for
// functions that rest. The number is what the HPA will come to as well; it is written only upwards, once for each wake, and only
// over the number that it was computed against. Everything after is the HPA's.
//
// It needs the rights to patch deployments/scale and to get horizontalpodautoscalers.
type jumper struct {
	cache  cache.Cache
	client client.Client // reads from the cache
	live   client.Reader
	js     jetstream.JetStream
	log    *zap.Logger

	woke   chan function.Key // written by the informer's handler, read by Start
	places chan struct{}
}

func newJumper(m manager.Manager, js jetstream.JetStream, log *zap.Logger) *jumper {
	return &jumper{
		cache: m.GetCache(), client: m.GetClient(), live: m.GetAPIReader(), js: js, log: log,
		woke: make(chan function.Key), places: make(chan struct{}, jumpsAtOnce),
	}
}

// Start implements manager.Runnable: it works on the one controller that leads, until ctx ends.
func (j *jumper) Start(ctx context.Context) error {
	informer, err := j.cache.GetInformer(ctx, object(desired.DeploymentKind))
	if err != nil {
		return fmt.Errorf("watch for functions that wake: %w", err)
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(before, now any) {
		if key, woke := wakeOf(before, now); woke {
			select {
			case j.woke <- key:
			case <-ctx.Done():
			}
		}
	}})
	if err != nil {
		return fmt.Errorf("watch for functions that wake: %w", err)
	}
	var looking sync.WaitGroup
	defer looking.Wait()
	for {
		select {
		case key := <-j.woke:
			looking.Go(func() { j.woken(ctx, key) })
		case <-ctx.Done():
			return informer.RemoveEventHandler(registration)
		}
	}
}

// wakeOf reports whether a Deployment has left zero, and whose it is.
func wakeOf(before, now any) (function.Key, bool) {
	old, _ := before.(*unstructured.Unstructured)
	d, _ := now.(*unstructured.Unstructured)
	if old == nil || d == nil || numbersOf(old).wanted != 0 || numbersOf(d).wanted == 0 {
		return function.Key{}, false
	}
	key := function.Key{Namespace: d.GetNamespace(), Name: d.GetLabels()[desired.FunctionLabel]}
	return key, d.GetName() == desired.ObjectName(key)
}

// woken looks at the function until it has jumped, or the window is over. A look that fails is one look less: the HPA does the
// same, only later.
func (j *jumper) woken(ctx context.Context, key function.Key) {
	ctx, cancel := context.WithTimeout(ctx, jumpWindow)
	defer cancel()
	select {
	case j.places <- struct{}{}:
		defer func() { <-j.places }()
	case <-ctx.Done():
		return
	}
	w, err := j.wakeup(ctx, key)
	if w == nil || err != nil {
		if err != nil {
			j.log.Debug("wake not looked at", zap.Stringer("function", key), zap.Error(err))
		}
		return
	}
	before := 0
	for pause := jumpWindow / 20; ; pause *= 2 {
		last := !inTime(ctx, pause)
		n, err := j.look(ctx, w, before, last)
		if err != nil {
			j.log.Debug("function does not jump yet", zap.Stringer("function", key), zap.Error(err))
		}
		if n == 0 || last || !sleep(ctx, pause) {
			return
		}
		before = n
	}
}

// inTime reports whether ctx has that much time left.
func inTime(ctx context.Context, d time.Duration) bool {
	end, _ := ctx.Deadline()
	return time.Until(end) > d
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// wakeup is a function that has just left zero.
type wakeup struct {
	key       function.Key
	consumers []stream.Consumer
	policy    demand.Policy
}

// wakeup returns nil for a function that must not jump: one replica is all it may have, somebody holds the number of replicas, or
// it is not ready for events.
func (j *jumper) wakeup(ctx context.Context, key function.Key) (*wakeup, error) {
	o := object(v1alpha1.FunctionKind)
	if err := j.client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, o); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if most, found, _ := unstructured.NestedInt64(o.Object, "spec", "scale", "maxReplicas"); found && most < 2 {
		return nil, nil
	}
	if _, held, _ := desired.Held(o.GetAnnotations()); held {
		return nil, nil
	}
	fn, err := desired.Read(o)
	if err != nil || find(o, v1alpha1.StreamReady).Status != metav1.ConditionTrue {
		return nil, err
	}
	policy := demand.PolicyOf(&fn.Spec)
	policy.Cooldown = 0 // it is for the way down
	if policy.Max < 2 {
		return nil, nil
	}
	return &wakeup{key: key, consumers: stream.ConsumersOf(fn), policy: policy}, nil
}

// look reads the queue and jumps if it is time to. It returns how many replicas are wanted, for the next look; 0 is the end.
func (j *jumper) look(ctx context.Context, w *wakeup, before int, last bool) (int, error) {
	have, err := j.replicas(ctx, w.key)
	if have == 0 || err != nil {
		return 0, err // it went back to zero
	}
	due, inFlight, err := depthOf(ctx, j.js, w.consumers)
	if err != nil {
		return max(before, 1), err
	}
	service, err := j.serviceTime(ctx, w)
	if err != nil {
		return max(before, 1), err
	}
	d := demand.Decide(w.policy, demand.Snapshot{Due: due, InFlight: inFlight, ServiceTime: service, Known: true})
	if !timeToJump(before, d.Replicas, w.policy.Max, last) {
		return max(d.Replicas, 1), nil
	}
	if int64(d.Replicas) <= have {
		return 0, nil // the HPA was faster
	}
	if err := j.raise(ctx, w.key, have, int64(d.Replicas)); err != nil {
		return d.Replicas, err
	}
	j.log.Info("function woke with a backlog, replicas raised in one step", zap.Stringer("function", w.key),
		zap.Int64("from", have), zap.Int("to", d.Replicas), zap.String("reason", d.Reason))
	return 0, nil
}

// timeToJump waits while the number wanted still doubles from one look to the next: what wakes a function is often the first of
// many events that are only just being published, and there is one jump for each wake.
func timeToJump(before, wanted, most int, last bool) bool {
	switch {
	case wanted < 2:
		return false
	case wanted >= most, last:
		return true
	}
	return before > 0 && wanted < 2*before
}

// replicas is the number that the Deployment has, and 0 if it is paused: what somebody has stopped by hand is left alone.
func (j *jumper) replicas(ctx context.Context, key function.Key) (int64, error) {
	at := client.ObjectKey{Namespace: key.Namespace, Name: desired.ObjectName(key)}
	deployment, scaledObject := object(desired.DeploymentKind), object(desired.ScaledObjectKind)
	if err := errors.Join(j.client.Get(ctx, at, deployment), j.client.Get(ctx, at, scaledObject)); err != nil {
		return 0, err
	}
	if mayNotGrow(scaledObject.GetAnnotations()) || scaledObject.GetDeletionTimestamp() != nil {
		return 0, nil
	}
	return numbersOf(deployment).wanted, nil
}

// mayNotGrow reads the annotations by which KEDA is told to leave the number of replicas alone, as KEDA reads them.
func mayNotGrow(annotations map[string]string) bool {
	if _, fixed := annotations["autoscaling.keda.sh/paused-replicas"]; fixed {
		return true
	}
	for _, name := range []string{"autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-scale-out"} {
		if value, there := annotations[name]; there && value != "false" {
			return true
		}
	}
	return false
}

// raise writes the number of replicas over the one that is there now, or nothing if that is another one by now.
func (j *jumper) raise(ctx context.Context, key function.Key, from, to int64) error {
	o := object(desired.DeploymentKind)
	o.SetNamespace(key.Namespace)
	o.SetName(desired.ObjectName(key))
	patch := fmt.Appendf(nil, `[{"op":"test","path":"/spec/replicas","value":%d},{"op":"replace","path":"/spec/replicas","value":%d}]`,
		from, to)
	if err := j.client.SubResource("scale").Patch(ctx, o, client.RawPatch(types.JSONPatchType, patch), replicasOwner); err != nil {
		return fmt.Errorf("scale %s from %d to %d: %w", describe(o), from, to, err)
	}
	return nil
}
