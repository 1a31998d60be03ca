package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natsauth"
)

// lookOwner is in whose name it is tried what an empty secret would become.
const lookOwner = client.FieldOwner("pelton-controller-look")

// credentials writes each function its own NATS credentials, into a secret. Nothing of a secret is listed or kept in memory:
// what was written last is remembered, and as the same credentials come out of the same function at the same time, a controller
// that remembers nothing writes what is there already.
type credentials struct {
	client client.Client
	issuer *natsauth.Issuer // nil: functions have none of their own
	ca     []byte
	now    func() time.Time

	mu   sync.Mutex // guards what follows
	done map[function.Key]written
}

// written is the function as it was when its secret was written.
type written struct {
	uid    string
	rights []string // to publish: there are others when the manifests are
	renew  time.Time
}

// apply brings the secret of a function to what it is now, and returns how long it is so, 0 if it has none. The manifests are all
// that pods of the function run or shall run; without any there is nobody to have credentials.
func (c *credentials) apply(ctx context.Context, owner *unstructured.Unstructured, manifests ...*function.Function) (time.Duration, error) {
	if c.issuer == nil || len(manifests) == 0 {
		return 0, nil
	}
	fn, earlier := manifests[0], manifests[1:]
	rights, err := natsauth.OfFunction(fn, earlier...)
	if err != nil {
		return 0, err
	}
	now, uid := c.now(), string(owner.GetUID())
	done := c.last(fn.Key())
	if done.uid == uid && slices.Equal(done.rights, rights.Publish) && now.Before(done.renew) {
		return done.renew.Sub(now), nil
	}
	issued, err := c.issuer.Issue(fn, uid, now, earlier...)
	if err != nil {
		return 0, err
	}
	secret, err := desired.Secret(fn, issued.File, c.ca, issued.Expires)
	if err != nil {
		return 0, err
	}
	if done.uid != uid {
		if err := c.look(ctx, owner, secret); err != nil {
			return 0, err
		}
	}
	secret.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.FunctionKind)})
	err = c.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(secret), fieldOwner, client.ForceOwnership)
	if err != nil {
		return 0, fmt.Errorf("apply %s: %w", describe(secret), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[fn.Key()] = written{uid, rights.Publish, issued.Renew}
	return issued.Renew.Sub(now), nil
}

// look makes sure that no secret of somebody else stands where ours should: it would go away with the function. Without a right
// to read secrets that shows in what the apiserver answers to a write that it only tries.
func (c *credentials) look(ctx context.Context, owner, secret *unstructured.Unstructured) error {
	empty := &unstructured.Unstructured{}
	empty.SetGroupVersionKind(secret.GroupVersionKind())
	empty.SetNamespace(secret.GetNamespace())
	empty.SetName(secret.GetName())
	if err := c.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(empty), lookOwner, client.DryRunAll); err != nil {
		return fmt.Errorf("look for %s: %w", describe(secret), err)
	}
	data, _, _ := unstructured.NestedMap(empty.Object, "data")
	if len(data) > 0 && !metav1.IsControlledBy(empty, owner) {
		return &nameTaken{describe(secret)}
	}
	return nil
}

func (c *credentials) last(key function.Key) written {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done[key]
}

// forget has the next apply write the secret, whatever was written last.
func (c *credentials) forget(key function.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.done, key)
}

// running reads the manifests that pods of a function may run: those of its ConfigMaps, which stay for as long. One that is not
// understood, by a controller that is older than it, gives no rights.
func (r *reconciler) running(ctx context.Context, o *unstructured.Unstructured) ([]*function.Function, error) {
	if r.credentials.issuer == nil {
		return nil, nil
	}
	configMaps, err := r.owned(ctx, o, desired.ConfigMapKind)
	if err != nil {
		return nil, err
	}
	var manifests []*function.Function
	for _, configMap := range configMaps {
		if fn, err := desired.ReadManifest(configMap); err == nil {
			manifests = append(manifests, fn)
		}
	}
	return manifests, nil
}

func newCredentials(writer client.Client, cfg Config) *credentials {
	return &credentials{
		client: writer, issuer: cfg.Issuer, ca: cfg.NATSCA, now: time.Now, done: map[function.Key]written{},
	}
}
