// Package catalog keeps the list of functions where every scaler and every front door can see it: one small entry for each, in a stream.
//
// Who makes a function's consumers enters it (Put), who deletes them removes it. A Catalog follows the stream and answers
// from memory. It does not know what entries are used for, and it never holds a function's environment. Run ends on its
// context.
package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
)

// retryWait is between tries to follow the stream.
const retryWait = 2 * time.Second

// DefaultCheck is the default of Config.Check.
const DefaultCheck = 30 * time.Second

// ErrNotLoaded says that the catalog has not been read yet: whether a function exists is not known.
var ErrNotLoaded = errors.New("the catalog of functions has not been read yet")

// Config configures a Catalog.
type Config struct {
	Replicas int           // of the stream, should it have to be made
	Check    time.Duration // between looks whether it is still the same stream
	Logger   *zap.Logger
}

// Catalog is the functions as they are now.
type Catalog struct {
	js  jetstream.JetStream
	cfg Config
	log *zap.Logger

	mu      sync.RWMutex
	loaded  bool
	entries map[function.Key]Entry
	watches []func(function.Key)
}

// New makes a catalog. It is empty until Run has read it.
func New(nc *nats.Conn, cfg Config) (*Catalog, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	cfg.Check = cmp.Or(cfg.Check, DefaultCheck)
	cfg.Logger = cmp.Or(cfg.Logger, zap.NewNop())
	return &Catalog{js: js, cfg: cfg, log: cfg.Logger, entries: map[function.Key]Entry{}}, nil
}

// OnChange has changed called after each change of a function's entry, and with the zero key once all entries have been read,
// from the goroutine of Run. It must be called before Run.
func (c *Catalog) OnChange(changed func(function.Key)) { c.watches = append(c.watches, changed) }

// Lookup returns a function's entry, and whether there is one. The error is ErrNotLoaded while nobody can tell.
func (c *Catalog) Lookup(key function.Key) (Entry, bool, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.entries[key]
	if !ok && !c.loaded {
		return Entry{}, false, ErrNotLoaded
	}
	return e, ok, nil
}

// Entries returns all entries by namespace and name. Who changes them must copy them first.
func (c *Catalog) Entries() []Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.SortedFunc(maps.Values(c.entries), func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
}

// Ready returns nil once the catalog has been read.
func (c *Catalog) Ready() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !c.loaded {
		return ErrNotLoaded
	}
	return nil
}

// Run follows the stream until ctx ends. While it cannot, the last known entries stand.
func (c *Catalog) Run(ctx context.Context) error {
	for {
		err := c.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.log.Warn("catalog of functions cannot be followed, trying again", zap.Error(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryWait):
		}
	}
}

// follow reads the last entry of every function and then every change.
func (c *Catalog) follow(ctx context.Context) error {
	if err := Ensure(ctx, c.js, c.cfg.Replicas); err != nil {
		return err
	}
	created, err := c.created(ctx)
	if err != nil {
		return err
	}
	consumer, err := c.js.OrderedConsumer(ctx, StreamName, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return fmt.Errorf("follow stream %s: %w", StreamName, err)
	}
	if info, err := consumer.Info(ctx); err == nil && info.NumPending == 0 {
		c.setLoaded()
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("follow stream %s: %w", StreamName, err)
	}
	defer messages.Stop()
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer c.whileSame(ctx, created, messages.Stop)()
	for {
		m, err := messages.Next()
		if err != nil {
			return fmt.Errorf("follow stream %s: %w", StreamName, err)
		}
		c.take(m)
	}
}

// created is when the stream was made.
func (c *Catalog) created(ctx context.Context) (time.Time, error) {
	s, err := c.js.Stream(ctx, StreamName)
	if err != nil {
		return time.Time{}, fmt.Errorf("look up stream %s: %w", StreamName, err)
	}
	return s.CachedInfo().Created, nil
}

// whileSame calls over once the stream is gone or was made anew: the client would go on after the last sequence of the old one
// and see nothing of the new one. The function that it returns ends the looking.
func (c *Catalog) whileSame(ctx context.Context, created time.Time, over func()) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(c.cfg.Check)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now, err := c.created(ctx)
			if errors.Is(err, jetstream.ErrStreamNotFound) || err == nil && !now.Equal(created) {
				over()
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// take applies one entry. The client hands out messages in order and starts again by itself when one is missing.
func (c *Catalog) take(m jetstream.Msg) {
	if key, ok := c.apply(m); ok {
		c.tell(key)
	}
	if meta, err := m.Metadata(); err == nil && meta.NumPending == 0 {
		c.setLoaded()
	}
}

func (c *Catalog) apply(m jetstream.Msg) (function.Key, bool) {
	key, ok := keyOf(m.Subject())
	if !ok {
		return key, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(m.Data()) == 0 {
		delete(c.entries, key)
		return key, true
	}
	var e Entry
	if err := json.Unmarshal(m.Data(), &e); err != nil || e.Key() != key || len(e.Consumers) == 0 {
		c.log.Warn("catalog entry makes no sense and is left out", zap.String("subject", m.Subject()), zap.Error(err))
		return key, false
	}
	c.entries[key] = e
	return key, true
}

func (c *Catalog) setLoaded() {
	c.mu.Lock()
	first := !c.loaded
	c.loaded = true
	c.mu.Unlock()
	if first {
		c.tell(function.Key{})
	}
}

func (c *Catalog) tell(key function.Key) {
	for _, changed := range c.watches {
		changed(key)
	}
}
