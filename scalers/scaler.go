// Package scalers answers KEDA: it implements KEDA's external (push) scaler over what package wake knows of the queues.
//
// Every answer comes from memory. A ScaledObject's first call makes its consumers watched, and they stay watched for as long
// as anybody asks. What cannot be known is an error, never a zero: KEDA holds the replicas then. The rules that KEDA's side
// imposes are noted where they are obeyed; package scalers knows nothing of Kubernetes, of certificates and of who listens.
//
// Run ends on its context. Open streams are then ended without an error, as only that resets KEDA's wait between reconnects.
package scalers

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/wake"
)

// Defaults of Config.
const (
	DefaultResend       = 2 * time.Second
	DefaultFirstReading = 400 * time.Millisecond
	DefaultForget       = 15 * time.Minute
	DefaultFreshStart   = 2 * time.Minute
	DefaultSettle       = 30 * time.Second
	DefaultStopTimeout  = 10 * time.Second
)

// Config configures a Scaler.
type Config struct {
	Watcher *wake.Watcher    // with AllWork: it must see work that waiting workers take
	Catalog *catalog.Catalog // who the functions are

	Resend       time.Duration // between two "true" while work waits and nobody takes it
	FirstReading time.Duration // how long a call waits for the first reading of consumers that nobody has asked for before
	Forget       time.Duration // how long consumers stay watched after the last call

	// FreshStart is how long after New a ScaledObject that we hear of for the first time is not taken for a new one: its
	// stream may have broken when we were started anew. Settle is how long another is, and how long a stream goes on that
	// follows one that we ended (see endsNow).
	FreshStart, Settle time.Duration

	// StopTimeout is how long Run waits for streams when it ends. One whose client takes nothing more cannot end by itself.
	StopTimeout time.Duration

	Logger *zap.Logger
}

// Scaler implements KEDA's externalscaler.ExternalScaler service.
type Scaler struct {
	externalscaler.UnimplementedExternalScalerServer

	cfg      Config
	log      *zap.Logger
	started  time.Time
	stopping chan struct{} // closed when streams must end

	mu        sync.Mutex
	sources   map[function.Key]*source
	objects   map[triggerKey]*object
	streams   sync.WaitGroup
	stopped   bool
	forgotten uint64 // pushes of objects that are gone
}

// New makes a scaler. It must be called before the catalog runs.
func New(cfg Config) (*Scaler, error) {
	if cfg.Watcher == nil || cfg.Catalog == nil {
		return nil, errors.New("make scaler: it needs a watcher and a catalog")
	}
	cfg.Resend = cmp.Or(cfg.Resend, DefaultResend)
	cfg.FirstReading = cmp.Or(cfg.FirstReading, DefaultFirstReading)
	cfg.Forget = cmp.Or(cfg.Forget, DefaultForget)
	cfg.FreshStart = cmp.Or(cfg.FreshStart, DefaultFreshStart)
	cfg.Settle = cmp.Or(cfg.Settle, DefaultSettle)
	cfg.StopTimeout = cmp.Or(cfg.StopTimeout, DefaultStopTimeout)
	cfg.Logger = cmp.Or(cfg.Logger, zap.NewNop())
	s := &Scaler{
		cfg: cfg, log: cfg.Logger, started: time.Now(), stopping: make(chan struct{}),
		sources: map[function.Key]*source{}, objects: map[triggerKey]*object{},
	}
	cfg.Catalog.OnChange(s.functionChanged)
	return s, nil
}

// Register adds the service to a gRPC server.
func (s *Scaler) Register(server *grpc.Server) {
	externalscaler.RegisterExternalScalerServer(server, s)
}

// Ready returns nil once every question can be answered: NATS is connected and the catalog of functions has been read.
func (s *Scaler) Ready() error {
	if !s.cfg.Watcher.Connected() {
		return errNotConnected
	}
	return s.cfg.Catalog.Ready()
}

// Run lets go of what nobody asks for any more until ctx ends. Then it ends all streams and waits for them, but not for those
// that are stuck.
func (s *Scaler) Run(ctx context.Context) error {
	ticker := time.NewTicker(max(s.cfg.Forget/10, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			s.forget(now)
		case <-ctx.Done():
			s.endStreams()
			return nil
		}
	}
}

func (s *Scaler) endStreams() {
	s.mu.Lock()
	s.stopped = true
	close(s.stopping)
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.streams.Wait()
		close(ended)
	}()
	timer := time.NewTimer(s.cfg.StopTimeout)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		s.log.Warn("streams have not ended in time, they are left to the server", zap.Duration("timeout", s.cfg.StopTimeout))
	}
}

// beginStream counts a stream. It returns false once Run ends streams.
func (s *Scaler) beginStream() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.streams.Add(1)
	return true
}

// Counts is how much the scaler is occupied with.
type Counts struct {
	Sources int // functions and consumers that are watched
	Objects int // triggers of ScaledObjects that have asked lately
	Streams int // open streams of both kinds
	Pushes  uint64
}

// Counts returns how much the scaler is occupied with.
func (s *Scaler) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := Counts{Sources: len(s.sources), Objects: len(s.objects)}
	for _, o := range s.objects {
		c.Streams += int(o.streams.Load())
		c.Pushes += o.pushes.Load()
	}
	c.Pushes += s.forgotten
	return c
}

// forget lets go of sources and objects that nobody has asked for lately.
func (s *Scaler) forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.objects {
		if o.unused(now, s.cfg.Forget) {
			s.forgotten += o.pushes.Load()
			delete(s.objects, key)
		}
	}
	for key, src := range s.sources {
		if src.unused(now, s.cfg.Forget) {
			s.cfg.Watcher.Unwatch(src.watchKey())
			delete(s.sources, key)
		}
	}
}
