package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/wake"
)

// How much of the work before a start is done at once: builds are heavy, consumers are made by the server one by one.
const (
	buildsAtOnce     = 2
	provisionsAtOnce = 8
)

// ErrUnknownFunction says that no function has that name.
var ErrUnknownFunction = errors.New("no such function")

// ErrStopped says that the supervisor does not run, or not any more.
var ErrStopped = errors.New("supervisor is stopped")

// Supervisor hosts functions on this machine.
type Supervisor struct {
	cfg     Config
	nc      *nats.Conn
	js      jetstream.JetStream
	watcher *wake.Watcher

	builds     *semaphore.Weighted
	provisions *semaphore.Weighted // consumers, and searches for programs
	ports      ports
	serial     atomic.Uint64 // of replicas
	schedules  sync.RWMutex  // held to remove schedules; shared by those who make them
	work       sync.WaitGroup

	dir  string          // for sockets; written by Run before anything starts
	ctx  context.Context // Run's; written before anything starts
	cut  context.Context // ends when calls that still run at shutdown are cut
	file *fileWatch      // nil without Watch

	begun chan struct{} // closed by Run once what Apply was given is hosted

	mu        sync.Mutex // guards all below
	functions []*function.Function
	units     map[function.Key]*unit
	running   bool
}

// New makes a supervisor. The streams must exist (stream.Ensure), watcher must be run by the caller, before and after the
// supervisor. nc must not buffer publishes while it is down, as for sidecar.New.
func New(nc *nats.Conn, watcher *wake.Watcher, cfg Config) (*Supervisor, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure supervisor: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	return &Supervisor{
		cfg: cfg, nc: nc, js: js, watcher: watcher, units: map[function.Key]*unit{},
		builds: semaphore.NewWeighted(buildsAtOnce), provisions: semaphore.NewWeighted(provisionsAtOnce),
		begun: make(chan struct{}), ports: ports{taken: map[int]bool{}},
	}, nil
}

// Run hosts what Apply was given until ctx ends; it is called once. Then all replicas drain, and Run returns when no process
// is left.
func (s *Supervisor) Run(ctx context.Context) error {
	dir, err := makeRuntimeDir(s.cfg.RuntimeDir)
	if err != nil {
		return err
	}
	s.dir = dir
	defer s.clearRuntimeDir()
	var cutCalls context.CancelFunc
	s.cut, cutCalls = context.WithCancel(context.WithoutCancel(ctx))
	defer cutCalls()
	s.ctx = ctx
	s.watchFiles()

	s.mu.Lock()
	s.running = true
	s.reconcile()
	if s.cfg.OwnServer {
		s.work.Go(s.pruneSchedules)
	}
	s.mu.Unlock()
	close(s.begun)

	<-ctx.Done()
	s.mu.Lock()
	s.running = false
	s.mu.Unlock()
	timer := time.AfterFunc(s.cfg.DrainTimeout, cutCalls)
	defer timer.Stop()
	s.work.Wait()
	s.forget()
	return nil
}

// clearRuntimeDir removes the sockets and, if nothing of anybody else's is in it, the directory.
func (s *Supervisor) clearRuntimeDir() {
	sockets, _ := filepath.Glob(filepath.Join(s.dir, "*.sock"))
	for _, socket := range sockets {
		_ = os.Remove(socket)
	}
	_ = os.Remove(s.dir)
}

// forget ends watching the queues, once all units are over.
func (s *Supervisor) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.units {
		s.watcher.Unwatch(key)
	}
}

// Apply makes functions the ones that are hosted: new ones are added, missing ones drained and removed, changed ones
// replaced. It returns at once; Status tells how each fares. It may be called before and while Run runs.
func (s *Supervisor) Apply(functions []*function.Function) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.functions = slices.Clone(functions)
	if s.running {
		s.reconcile()
	}
}

// reconcile brings units to functions. The caller holds mu.
func (s *Supervisor) reconcile() {
	wanted := map[function.Key]bool{}
	for _, fn := range s.functions {
		wanted[fn.Key()] = true
		if u := s.units[fn.Key()]; u != nil {
			u.apply(fn)
			continue
		}
		s.add(fn)
	}
	for key, u := range s.units {
		if !wanted[key] {
			s.remove(u)
		}
	}
	if s.file != nil {
		s.file.setRoots(s.functions)
	}
}

// add begins to host a function. The caller holds mu.
func (s *Supervisor) add(fn *function.Function) {
	u := s.newUnit(s.ctx, fn)
	s.units[u.key] = u
	s.work.Go(u.run)
	s.tell(Event{Kind: EventAdded, Function: u.key})
}

// remove ends hosting a function. Its replicas drain in their own time. The caller holds mu.
func (s *Supervisor) remove(u *unit) {
	delete(s.units, u.key)
	s.watcher.Unwatch(u.key)
	u.stop()
	s.work.Go(func() { s.removeSchedules(u.key) })
	s.tell(Event{Kind: EventRemoved, Function: u.key})
}

// tell passes an event on from where mu is held: whoever is told may ask for the status.
func (s *Supervisor) tell(e Event) {
	e.Time = time.Now()
	s.work.Go(func() { s.cfg.OnEvent(e) })
}

// watchQueue watches a function's consumers, unless it was removed meanwhile.
func (s *Supervisor) watchQueue(u *unit, consumers []stream.Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.units[u.key] == u {
		s.watcher.Watch(u.key, consumers, u.look)
	}
}

// unit returns a hosted function.
func (s *Supervisor) unit(key function.Key) (*unit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.units[key]; u != nil {
		return u, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownFunction, key)
}

// all returns the hosted functions by namespace and name.
func (s *Supervisor) all() []*unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	units := make([]*unit, 0, len(s.units))
	for _, u := range s.units {
		units = append(units, u)
	}
	slices.SortFunc(units, func(a, b *unit) int {
		return cmp.Or(strings.Compare(a.key.Namespace, b.key.Namespace), strings.Compare(a.key.Name, b.key.Name))
	})
	return units
}
