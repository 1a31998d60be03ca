package ledger

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// The defaults of a WriterConfig.
const (
	DefaultFlushInterval = 100 * time.Millisecond
	DefaultFlushRuns     = 8192 // with every write synced, each message costs the disk the same
	DefaultMaxBuffered   = 1 << 20
)

const (
	maxMessage     = 64 << 10 // a message is closed at this size, and flushed
	maxFree        = 2        // buffers kept for reuse
	publishTimeout = 5 * time.Second
	retryPause     = 500 * time.Millisecond
	lastFlush      = 2 * time.Second
)

// WriterConfig tunes a Writer. The zero value is the documented default.
type WriterConfig struct {
	FlushInterval time.Duration // one flush in this time, unless FlushRuns, 64 KiB or half of MaxBuffered wait; default 100 ms
	FlushRuns     int           // as many waiting runs are flushed at once; default 8192
	MaxBuffered   int           // bytes held while the server does not answer; default 1 MiB. The oldest runs go first
	Logger        *zap.Logger
}

// Writer batches the runs of any number of functions into few messages. A run is encoded when it is recorded, so that
// nothing it refers to is kept alive, and costs no allocation.
type Writer struct {
	js  jetstream.JetStream
	cfg WriterConfig
	id  string

	wake chan struct{} // the first run after a flush; written by Record, read by Run
	full chan struct{} // enough is waiting; written by Record, read by Run

	mu      sync.Mutex // guards what follows; held for the encoding of one run at most
	open    map[function.Key]*batch
	last    *batch // the batch of the latest run: most writers serve one function
	sealed  []*batch
	free    []*batch
	runs    int // in open and sealed
	bytes   int
	dropped uint64

	messages  uint64    // published so far; only Run's goroutine uses it
	lastFlush time.Time // only Run's goroutine uses it
}

// batch is one message in the making.
type batch struct {
	key  function.Key
	data []byte
	runs int
	last kept // of the latest run
}

func (b *batch) add(r *Run) {
	var before *kept
	if b.runs > 0 {
		before = &b.last
	}
	b.data = appendRun(b.data, r, before)
	b.last = keptOf(r)
	b.runs++
}

// NewWriter makes a writer. It publishes nothing until Run is called; up to MaxBuffered bytes of runs wait for it.
func NewWriter(js jetstream.JetStream, cfg WriterConfig) *Writer {
	cfg.FlushInterval = cmp.Or(cfg.FlushInterval, DefaultFlushInterval)
	cfg.FlushRuns = cmp.Or(cfg.FlushRuns, DefaultFlushRuns)
	cfg.MaxBuffered = cmp.Or(cfg.MaxBuffered, DefaultMaxBuffered)
	cfg.Logger = cmp.Or(cfg.Logger, zap.NewNop())
	return &Writer{
		js: js, cfg: cfg, id: nuid.Next(),
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1), open: map[function.Key]*batch{},
	}
}

var _ Recorder = (*Writer)(nil)

// Record takes one run. It never waits for the server.
func (w *Writer) Record(r Run) {
	w.mu.Lock()
	b := w.batch(r.Namespace, r.Function)
	before := len(b.data)
	b.add(&r)
	w.runs++
	w.bytes += len(b.data) - before
	if len(b.data) >= maxMessage {
		w.seal(b)
	}
	for w.bytes > w.cfg.MaxBuffered && w.dropOldest() {
	}
	first := w.runs == 1
	full := w.runs >= w.cfg.FlushRuns || w.bytes >= min(maxMessage, w.cfg.MaxBuffered/2)
	w.mu.Unlock()
	if first {
		signal(w.wake)
	}
	if full {
		signal(w.full)
	}
}

// Dropped returns how many runs were given up because the server did not take them in time.
func (w *Writer) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// batch returns the open batch of a function. The caller holds the mutex.
func (w *Writer) batch(namespace, name string) *batch {
	if b := w.last; b != nil && b.key.Name == name && b.key.Namespace == namespace {
		return b
	}
	key := function.Key{Namespace: namespace, Name: name}
	b := w.open[key]
	if b == nil {
		b = &batch{}
		if n := len(w.free); n > 0 {
			b, w.free = w.free[n-1], w.free[:n-1]
		}
		b.key = key
		w.open[key] = b
	}
	w.last = b
	return b
}

// seal closes a batch to further runs. The caller holds the mutex.
func (w *Writer) seal(b *batch) {
	delete(w.open, b.key)
	w.last = nil
	w.sealed = append(w.sealed, b)
}

// dropOldest gives up the oldest batch and reports whether there was one. The caller holds the mutex.
func (w *Writer) dropOldest() bool {
	if len(w.sealed) == 0 {
		for _, b := range w.open { // many functions with little each: any of them
			w.seal(b)
			break
		}
	}
	if len(w.sealed) == 0 {
		return false
	}
	b := w.sealed[0]
	w.sealed = append(w.sealed[:0], w.sealed[1:]...)
	w.runs -= b.runs
	w.bytes -= len(b.data)
	w.dropped += uint64(b.runs)
	w.recycle(b)
	return true
}

// recycle keeps a buffer for reuse. The caller holds the mutex.
func (w *Writer) recycle(b *batch) {
	if len(w.free) < maxFree && cap(b.data) <= 2*maxMessage {
		b.data, b.runs, b.last = b.data[:0], 0, kept{}
		w.free = append(w.free, b)
	}
}

// Run publishes until ctx ends, and then what is left. While nothing is recorded it sleeps without a timer.
func (w *Writer) Run(ctx context.Context) error {
	publishing, stop := linger(ctx, lastFlush)
	defer stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-w.wake:
			w.pace(ctx)
			w.flush(publishing)
		}
	}
	w.flush(publishing)
	if n := w.Dropped(); n > 0 {
		w.cfg.Logger.Warn("run records were dropped", zap.Uint64("runs", n))
	}
	return nil
}

// linger returns a context that ends some time after ctx: what is being published when we stop is not cut.
func linger(ctx context.Context, d time.Duration) (context.Context, func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-late.Done():
		}
	})
	return late, func() {
		stop()
		cancel()
	}
}

// pace waits until the flush interval has passed since the last flush, unless enough runs are waiting before.
func (w *Writer) pace(ctx context.Context) {
	rest := w.cfg.FlushInterval - time.Since(w.lastFlush)
	if rest <= 0 {
		return
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.full:
	case <-ctx.Done():
	}
}

// flush publishes everything that is waiting now.
func (w *Writer) flush(ctx context.Context) {
	w.lastFlush = time.Now()
	for _, b := range w.take() {
		published := w.publish(ctx, b)
		w.mu.Lock()
		if !published {
			w.dropped += uint64(b.runs)
		}
		w.recycle(b)
		w.mu.Unlock()
	}
}

func (w *Writer) take() []*batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.open {
		w.sealed = append(w.sealed, b)
	}
	clear(w.open)
	taken := w.sealed
	w.sealed, w.last, w.runs, w.bytes = nil, nil, 0, 0
	select {
	case <-w.full: // it spoke of the runs just taken
	default:
	}
	return taken
}

// publish stores one message and keeps trying until ctx ends. The id makes a repetition after a lost answer harmless.
func (w *Writer) publish(ctx context.Context, b *batch) bool {
	subject, err := event.RunSubject(b.key.Namespace, b.key.Name)
	if err != nil {
		w.cfg.Logger.Error("run records without a function", zap.Error(err))
		return false
	}
	w.messages++
	msg := &nats.Msg{
		Subject: subject,
		Header:  nats.Header{nats.MsgIdHdr: {w.id + ":" + strconv.FormatUint(w.messages, 10)}},
		Data:    b.data,
	}
	for first := true; ; first = false {
		err := w.publishOnce(ctx, msg)
		if err == nil {
			return true
		}
		if first {
			w.cfg.Logger.Warn("run records wait for the server", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(retryPause):
		}
	}
}

func (w *Writer) publishOnce(ctx context.Context, msg *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if _, err := w.js.PublishMsg(ctx, msg); err != nil {
		return fmt.Errorf("publish run records to %s: %w", msg.Subject, err)
	}
	return nil
}

func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
