package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	ctrl "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/pelton-dev/pelton/internal/claim"
	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natsauth"
)

// The defaults of Config.
const (
	DefaultWorkers  = 16
	DefaultResync   = 10 * time.Minute
	DefaultPatience = 2 * time.Minute
)

// The waits between tries of a reconciliation that fails.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// leaseName is the lease that one of several controllers holds.
const leaseName = "pelton-controller"

// Config configures a Controller. NATS and Settings must be given.
type Config struct {
	Settings       desired.Settings
	NATS           *nats.Conn
	Issuer         *natsauth.Issuer // of each function's own NATS credentials; nil: Settings say what all are given
	NATSCA         []byte           // certificates (PEM) that functions are given beside their own credentials; nil is none
	StreamReplicas int              // of streams; 0 is 1 for those that are made, and leaves those that exist
	Namespaces     []string         // whose Functions are looked at; none is all
	LeaseNamespace string           // where the lease is for which several controllers compete; "" is no competition
	Workers        int              // Functions at one time; 0 is DefaultWorkers
	Resync         time.Duration    // how often each Function is looked at without a reason; 0 is DefaultResync
	Patience       time.Duration    // how long a deletion waits for pods and NATS; 0 is DefaultPatience
	NoFirstJump    bool             // leave all replicas after the first to the HPA
	Logger         *zap.Logger
}

// Controller brings all Functions of a cluster to what their manifests say.
type Controller struct {
	manager manager.Manager
	synced  atomic.Bool
}

// New makes a controller for the cluster that cluster names. It asks the cluster for the kinds it needs.
func New(cluster *rest.Config, cfg Config) (*Controller, error) {
	if cfg.Issuer != nil {
		cfg.Settings.OwnCredentials = desired.OwnCredentialsAlone
		if len(cfg.NATSCA) > 0 {
			cfg.Settings.OwnCredentials = desired.OwnCredentialsAndCA
		}
	}
	if err := cfg.Settings.Validate(); err != nil {
		return nil, fmt.Errorf("settings of the controller: %w", err)
	}
	cfg.Workers = cmp.Or(cfg.Workers, DefaultWorkers)
	cfg.Resync, cfg.Patience = cmp.Or(cfg.Resync, DefaultResync), cmp.Or(cfg.Patience, DefaultPatience)
	cfg.Logger = cmp.Or(cfg.Logger, zap.NewNop())
	q, err := newQueues(cfg.NATS, cfg.StreamReplicas, cfg.Resync)
	if err != nil {
		return nil, err
	}
	m, err := newManager(cluster, cfg)
	if err != nil {
		return nil, err
	}
	r := &reconciler{
		applier: &applier{client: m.GetClient(), live: m.GetAPIReader()},
		queues:  q, credentials: newCredentials(m.GetClient(), cfg), settings: cfg.Settings, resync: cfg.Resync, patience: cfg.Patience,
		gaveUp: func(key function.Key, err error) {
			cfg.Logger.Error("function is gone, and NATS may hold something for it: pelton deprovision "+key.String(),
				zap.Stringer("function", key), zap.Error(err))
		},
	}
	if err := r.watch(m, cfg); err != nil {
		return nil, err
	}
	if err := addScaling(m, q, cfg); err != nil {
		return nil, err
	}
	if err := m.Add(bodies{claim.NewJanitor(q.js, 0, cfg.Logger.Named("bodies"))}); err != nil {
		return nil, err
	}
	c := &Controller{manager: m}
	return c, m.Add(notElected{func(ctx context.Context) error {
		c.synced.Store(m.GetCache().WaitForCacheSync(ctx))
		<-ctx.Done()
		return nil
	}})
}

// addScaling adds what works beside the reconciler, on the controller that leads.
func addScaling(m manager.Manager, q *queues, cfg Config) error {
	errs := []error{m.Add(newCosts(m.GetClient(), cfg.NATS, cfg.Logger))}
	if !cfg.NoFirstJump {
		errs = append(errs, m.Add(newJumper(m, q.js, cfg.Logger)))
	}
	return errors.Join(errs...)
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	if err := c.manager.Start(ctx); err != nil {
		return fmt.Errorf("run controller: %w", err)
	}
	return nil
}

// Ready returns nil once all Functions have been read.
func (c *Controller) Ready() error {
	if !c.synced.Load() {
		return errors.New("the cluster has not been read yet")
	}
	return nil
}

// notElected runs on every controller, whoever holds the lease.
type notElected struct{ run func(context.Context) error }

// Start implements manager.Runnable.
func (n notElected) Start(ctx context.Context) error { return n.run(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (notElected) NeedLeaderElection() bool { return false }

func newManager(cluster *rest.Config, cfg Config) (manager.Manager, error) {
	ours, err := labels.Parse("app.kubernetes.io/managed-by=" + desired.ManagedBy)
	if err != nil {
		return nil, err
	}
	objects := map[client.Object]cache.ByObject{}
	for _, kind := range desired.Kinds() {
		objects[object(kind)] = cache.ByObject{Label: ours}
	}
	cluster = rest.CopyConfig(cluster)
	cluster.QPS = -1 // the apiserver shares itself out; a limit here would only make a thousand Functions slow
	m, err := manager.New(cluster, manager.Options{
		Scheme: runtime.NewScheme(), Logger: logr.New(logSink{cfg.Logger}),
		Cache:          cache.Options{ByObject: objects, DefaultNamespaces: namespacesOf(cfg), DefaultTransform: slim},
		Client:         client.Options{Cache: &client.CacheOptions{Unstructured: true}},
		Metrics:        server.Options{BindAddress: "0"}, // our own server shows them
		LeaderElection: cfg.LeaseNamespace != "", LeaderElectionID: leaseName, LeaderElectionNamespace: cfg.LeaseNamespace,
		LeaderElectionReleaseOnCancel: true,
		Controller:                    config.Controller{SkipNameValidation: new(true)}, // a program may have several, as tests do
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return m, nil
}

// namespacesOf are those that are watched; none is all.
func namespacesOf(cfg Config) map[string]cache.Config {
	namespaces := map[string]cache.Config{}
	for _, name := range cfg.Namespaces {
		namespaces[name] = cache.Config{}
	}
	return namespaces
}

// slim drops what nobody here reads, before it is kept in memory.
func slim(in any) (any, error) {
	o, err := apimeta.Accessor(in)
	if err != nil {
		return in, nil //nolint:nilerr // it is a tombstone
	}
	o.SetManagedFields(nil)
	if annotations := o.GetAnnotations(); annotations[corev1.LastAppliedConfigAnnotation] != "" {
		delete(annotations, corev1.LastAppliedConfigAnnotation)
		o.SetAnnotations(annotations)
	}
	return in, nil
}

// watch has Reconcile called for Functions whose manifest or annotations change, and for those that own what changes.
func (r *reconciler) watch(m manager.Manager, cfg Config) error {
	if err := indexOwned(m.GetFieldIndexer()); err != nil {
		return err
	}
	configMaps, err := watchConfigMaps(m, namespacesOf(cfg))
	if err != nil {
		return err
	}
	b := builder.ControllerManagedBy(m).Named("function").
		For(object(v1alpha1.FunctionKind), builder.WithPredicates(
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})))
	for _, kind := range desired.Kinds() {
		b = b.Owns(object(kind))
	}
	b = b.WatchesRawSource(configMaps).WatchesRawSource(source.Func(r.queues.watchLosses))
	options := ctrl.Options{
		MaxConcurrentReconciles: cfg.Workers,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
	}
	if err := b.WithOptions(options).Complete(r); err != nil {
		return fmt.Errorf("watch functions: %w", err)
	}
	return nil
}

func object(kind schema.GroupVersionKind) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind)
	return o
}
