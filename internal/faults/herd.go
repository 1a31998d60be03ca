package faults

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"github.com/pelton-dev/pelton/internal/stream"
)

// HerdConfig says how many replicas start at one moment, and how many events wait for them. Self, Programs and Dir are needed.
type HerdConfig struct {
	Events   int // 0 is 100,000
	Replicas int // 0 is 10
	Self     string
	Programs Programs
	Dir      string
	Out      io.Writer // progress; nil is none
}

// Herd is what it came to, from the start of the first replica until nothing waited any more.
type Herd struct {
	Events, Replicas int
	Calls            int // of handlers
	Done             int // events
	Connections      int // to the server, of all sidecars together
	Requests         int // for events, of all sidecars together
	Open             int // of them, the most that were seen open at one time
	Warnings         int // in the logs of the sidecars
	Server           time.Duration
	Took             time.Duration
}

// String is a line of a log.
func (h *Herd) String() string {
	return fmt.Sprintf("%d events waited for %d replicas: %d calls, %d done, %d connections, %d requests, at most %d of them open, %d warnings; "+
		"the server used %v of a processor in %v", h.Events, h.Replicas, h.Calls, h.Done, h.Connections, h.Requests, h.Open, h.Warnings,
		h.Server.Round(10*time.Millisecond), h.Took.Round(100*time.Millisecond))
}

const (
	herdPatience = 5 * time.Minute
	herdPending  = 4096 // events whose acknowledgement is waited for
)

// Stampede has events wait for a function at zero, and starts all of its replicas at once. Nothing is hurt. The server is not
// made to sync: this is no question of disks, and the events would take minutes to store.
func Stampede(ctx context.Context, cfg HerdConfig) (*Herd, error) {
	h := &Herd{Events: cmp.Or(cfg.Events, 100_000), Replicas: cmp.Or(cfg.Replicas, 10)}
	wc := Config{
		Self: cfg.Self, Programs: cfg.Programs, Dir: cfg.Dir, Out: cfg.Out, Timeout: time.Minute, Patience: herdPatience, Plan: []Action{},
		Load: alike(KindWork, h.Events),
	}.withDefaults()
	if err := wc.validate(); err != nil {
		return nil, fmt.Errorf("check the run: %w", err)
	}
	fn := newFunction(wc)
	fn.Spec.Reply, fn.Spec.Scale.MaxReplicas = nil, h.Replicas
	w := makeWorld(wc, fn)
	defer w.close()
	if err := w.startServer(ctx, syncVariable+"="+syncLazy); err != nil {
		return nil, err
	}
	if err := w.preload(ctx); err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(wc.Out, "%d events wait\n", h.Events)
	if err := w.stampede(ctx, h); err != nil {
		return nil, err
	}
	return h, w.count(h)
}

// preload stores all events of the load.
func (w *world) preload(ctx context.Context) error {
	failed := make(chan error, 1)
	js, err := jetstream.New(w.nc, jetstream.WithPublishAsyncMaxPending(herdPending),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) {
			select {
			case failed <- err:
			default: // the first one tells enough
			}
		}))
	if err != nil {
		return fmt.Errorf("make JetStream context: %w", err)
	}
	for number := range w.cfg.Load.Events {
		m, err := w.cfg.Load.make(w.cfg.Seed, number)
		if err != nil {
			return err
		}
		if _, err := js.PublishMsgAsync(m.msg(), jetstream.WithStallWait(requestWait)); err != nil {
			return fmt.Errorf("publish event %d: %w", number, err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-failed:
		return fmt.Errorf("publish the events: %w", err)
	default:
		return nil
	}
}

// stampede starts the replicas and looks at the server until they have nothing left to do.
func (w *world) stampede(ctx context.Context, h *Herd) error {
	var requests atomic.Int64
	counted, err := w.nc.Subscribe("$JS.API.CONSUMER.MSG.NEXT.>", func(*nats.Msg) { requests.Add(1) })
	if err != nil {
		return fmt.Errorf("count requests: %w", err)
	}
	if err := w.nc.Flush(); err != nil {
		return fmt.Errorf("count requests: %w", err)
	}
	pid, err := w.processes[serverName].pid()
	if err != nil {
		return err
	}
	begun, used := time.Now(), processorTime(pid)
	for n := range h.Replicas {
		if err := w.link(sidecarName(n)); err != nil {
			return err
		}
		if err := w.startReplica(ctx, n, takesAsAsked); err != nil {
			return err
		}
	}
	err = poll(ctx, w.cfg.Patience, "settle", func(ctx context.Context) error {
		open, err := w.openRequests(ctx)
		if err != nil {
			return err
		}
		h.Open = max(h.Open, open)
		_, err = w.settled(ctx)
		return err
	})
	if err != nil {
		return err
	}
	h.Took, h.Server = time.Since(begun), processorTime(pid)-used
	if err := counted.Unsubscribe(); err != nil {
		return fmt.Errorf("count requests: %w", err)
	}
	h.Requests = int(requests.Load())
	return nil
}

// openRequests are those that the consumer of events keeps open.
func (w *world) openRequests(ctx context.Context) (int, error) {
	c, err := w.js.Consumer(ctx, stream.EventsStream, stream.EventConsumer(w.fn.Key()))
	if err != nil {
		return 0, fmt.Errorf("look up the consumer: %w", err)
	}
	return c.CachedInfo().NumWaiting, nil
}

// count reads what handlers and sidecars wrote.
func (w *world) count(h *Herd) error {
	w.stopReplicas()
	records, err := readLedgers(w.ledgers(), handlerLedger)
	if err != nil {
		return err
	}
	done := map[key]bool{}
	for i := range records {
		switch r := &records[i]; r.Kind {
		case recordBegun:
			h.Calls++
		case recordDone:
			done[r.key()] = true
		}
	}
	h.Done = len(done)
	for n := range h.Replicas {
		h.Connections += w.links[sidecarName(n)].Passed()
		log, err := os.ReadFile(w.path("logs", sidecarName(n)+".log"))
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		h.Warnings += strings.Count(string(log), `"level":"warn"`) + strings.Count(string(log), `"level":"error"`)
	}
	return nil
}

// processorTime is what a process has used so far. The kernel has a clock for it, whose number it makes of the process's.
func processorTime(pid int) time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduled, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
