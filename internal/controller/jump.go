package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
// KEDA makes the first replica, and only then the jump comes: KEDA reads the number of replicas from its cache, and would
// set a number that it has not seen yet back to 1. So a wake is a Deployment that leaves zero, and there is nothing to watch
// for functions that rest. The number is what the HPA will come to as well; it is written only upwards, once for each wake,
// and only over the number that it was computed against. Everything after is the HPA's.
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

// woken looks at the function until it has jumped, or the window is over. A look that fails is one look less: the HPA does
// the same, only later.
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

// wakeup returns nil for a function that must not jump: one replica is all it may have, somebody holds the number of
// replicas, or it is not ready for events.
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
	if err != nil || v1alpha1.ConditionOf(o, v1alpha1.StreamReady).Status != metav1.ConditionTrue {
		return nil, err
	}
	policy := demand.PolicyOf(&fn.Spec)
	policy.Cooldown = 0 // it is for the way down
	if policy.Max < 2 {
		return nil, nil
	}
	return &wakeup{key: key, consumers: stream.ConsumersOf(fn), policy: policy}, nil
}
