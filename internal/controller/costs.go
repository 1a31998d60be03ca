package controller

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// costRest is the time between two writes for one pod.
const costRest = time.Second

// costGather is how long words are gathered before they are looked at together.
const costGather = 100 * time.Millisecond

// costMemory is how long a pod is remembered that says nothing. Pods that have ever been busy say something twice a minute.
const costMemory = 2 * time.Minute

// maxWords bounds what one function may say between two rounds. More would be pods that it does not have.
const maxWords = 4096

// costs keeps the deletion cost of pods: of several, Kubernetes takes those away first that cost least, so that a scale-in
// finds an idle pod before one in the middle of a call. Sidecars have no rights in the cluster. They say on NATS how busy
// they are (event.BusySubject), and this writes it down, for functions that have more than one replica.
//
// A function may only say so of its own pods: its sidecars may publish for its name alone, and the write asks the apiserver
// whether the pod carries that name. A pod that is silent keeps what was written. What is said while no controller leads is
// said again within half a minute.
//
// It needs the right to patch pods, and reads none.
type costs struct {
	client client.Client
	nc     *nats.Conn
	log    *zap.Logger
	now    func() time.Time

	mu    sync.Mutex
	heard map[function.Key]map[string]word // since the last round; the last word of each replica
	kick  chan struct{}                    // one place: something was heard

	pods map[function.Key]map[string]*pod // Start's own
}

// word is what a replica has said.
type word struct {
	busy    int
	leaving bool
}

// pod is one of a function with more than one replica.
type pod struct {
	want, written string // "" is not known
	next          time.Time
	seen          time.Time
}

func newCosts(c client.Client, nc *nats.Conn, log *zap.Logger) *costs {
	return &costs{
		client: c, nc: nc, log: log, now: time.Now, heard: map[function.Key]map[string]word{}, kick: make(chan struct{}, 1),
		pods: map[function.Key]map[string]*pod{},
	}
}

// Start implements manager.Runnable: it works on the one controller that leads, until ctx ends.
func (c *costs) Start(ctx context.Context) error {
	s, err := c.nc.Subscribe(event.BusyFilter, c.hear)
	if err != nil {
		return fmt.Errorf("subscribe for busy replicas: %w", err)
	}
	defer func() { _ = s.Unsubscribe() }()
	timer := time.NewTimer(costMemory)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.kick:
			sleep(ctx, costGather)
		case <-timer.C:
		}
		timer.Reset(c.round(ctx))
	}
}

// hear is called by the connection, one message at a time.
func (c *costs) hear(m *nats.Msg) {
	ns, fn, replica, ok := event.ParseBusySubject(m.Subject)
	w, err := parseWord(m.Data)
	if !ok || err != nil {
		c.log.Debug("word of a replica not understood", zap.String("subject", m.Subject))
		return
	}
	key := function.Key{Namespace: ns, Name: fn}
	c.mu.Lock()
	defer c.mu.Unlock()
	said := c.heard[key]
	if said == nil {
		said = map[string]word{}
		c.heard[key] = said
	}
	if len(said) < maxWords {
		said[replica] = w
	}
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func parseWord(data []byte) (word, error) {
	if string(data) == event.Leaving {
		return word{leaving: true}, nil
	}
	n, err := strconv.ParseUint(string(data), 10, 31)
	return word{busy: int(n)}, err
}

// costOf is 0 for an idle pod, and for a busy one more in steps that double: a call more or less among many is worth no
// write.
func costOf(busy int) string {
	if busy <= 0 {
		return "0"
	}
	return strconv.Itoa(1 + 1<<(bits.Len(uint(busy))-1))
}

// round takes in what was heard and writes what is due. It returns when the next round is due although nothing is heard.
func (c *costs) round(ctx context.Context) time.Duration {
	c.mu.Lock()
	heard := c.heard
	c.heard = map[function.Key]map[string]word{}
	c.mu.Unlock()
	now := c.now()
	for key, said := range heard {
		c.take(ctx, key, said, now)
	}
	wait := costMemory
	for key, pods := range c.pods {
		for name, p := range pods {
			left := c.settle(ctx, key, name, p, now)
			if left <= 0 {
				delete(pods, name)
				continue
			}
			wait = min(wait, left)
		}
		if len(pods) == 0 {
			delete(c.pods, key)
		}
	}
	return wait
}

// take remembers what replicas of one function have said. A single replica is compared with nobody, and a function has not
// many more pods than replicas: as many again may come and go.
func (c *costs) take(ctx context.Context, key function.Key, said map[string]word, now time.Time) {
	replicas := c.replicas(ctx, key)
	pods := c.pods[key]
	if pods == nil {
		pods = map[string]*pod{}
		c.pods[key] = pods
	}
	for name, w := range said {
		p := pods[name]
		if w.leaving {
			delete(pods, name)
			continue
		}
		if p == nil {
			if replicas < 2 || len(pods) >= 2*replicas+8 {
				continue
			}
			p = &pod{}
			pods[name] = p
		}
		p.want, p.seen = costOf(w.busy), now
	}
}

// replicas is how many the Deployment of a function wants, 0 if there is none.
func (c *costs) replicas(ctx context.Context, key function.Key) int {
	o := object(desired.DeploymentKind)
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: desired.ObjectName(key)}, o); err != nil {
		return 0 // or it is in a namespace that this controller does not look at
	}
	return bounded(uint64(max(0, numbersOf(o).wanted)))
}

// settle writes the cost of a pod if it has changed and it is time. It returns when to look at the pod again, 0 for a pod
// that can be forgotten.
func (c *costs) settle(ctx context.Context, key function.Key, name string, p *pod, now time.Time) time.Duration {
	if p.want == p.written {
		return p.seen.Add(costMemory).Sub(now)
	}
	if left := p.next.Sub(now); left > 0 {
		return left
	}
	p.next = now.Add(costRest)
	switch err := c.write(ctx, key, name, p.want); {
	case err == nil:
		p.written = p.want
	case apierrors.IsNotFound(err), apierrors.IsInvalid(err):
		c.log.Debug("pod is gone, or not the function's", zap.Stringer("function", key), zap.String("pod", name), zap.Error(err))
		p.written = p.want // nothing more of this pod until it says something else
	default:
		c.log.Warn("deletion cost of a pod not written", zap.Stringer("function", key), zap.String("pod", name), zap.Error(err))
		p.next = now.Add(30 * costRest)
	}
	return max(p.next.Sub(now), costRest)
}

// write sets the cost of a pod that carries the function's name. The pods of functions have annotations from the first.
func (c *costs) write(ctx context.Context, key function.Key, name, cost string) error {
	p := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: name}}
	p.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	patch := fmt.Appendf(nil, `[{"op":"test","path":"/metadata/labels/%s","value":%q},`+
		`{"op":"add","path":"/metadata/annotations/%s","value":%q}]`,
		pointer(desired.FunctionLabel), key.Name, pointer(corev1.PodDeletionCost), cost)
	return c.client.Patch(ctx, p, client.RawPatch(types.JSONPatchType, patch), fieldOwner)
}

// pointer escapes a key for a path of JSON Patch.
func pointer(key string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }
