package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/faults/proxy"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

const (
	loopback       = "127.0.0.1"
	functionName   = "faults"
	replySubject   = "events.replies.faults"
	closedSubjects = "pelton.closed.>"
	deadSubjects   = "pelton.dead.>"

	requestWait = 10 * time.Second
	healPause   = 200 * time.Millisecond
)

// world is everything that runs.
type world struct {
	cfg       Config
	fn        *function.Function
	port      int // of the server
	httpPort  int // of the bridge
	processes map[string]*process
	links     map[string]*proxy.Proxy // to the server, by who has them
	nc        *nats.Conn              // not through a link: what we want to know must not be hurt
	js        jetstream.JetStream

	replicas []func() // what ends them; run before cleanup
	cleanup  []func() // last in, first out
}

// newWorld starts the server, provisions the function, and starts its replicas. Whatever it returns must be closed.
func newWorld(ctx context.Context, cfg Config) (w *world, err error) {
	w = makeWorld(cfg, newFunction(cfg))
	if err := w.startServer(ctx); err != nil {
		return w, err
	}
	for _, name := range cfg.kind().links() {
		if err := w.link(name); err != nil {
			return w, err
		}
	}
	if err := w.startReplicas(ctx, takesAsAsked); err != nil {
		return w, err
	}
	return w, w.startBridge(ctx)
}

func makeWorld(cfg Config, fn *function.Function) *world {
	return &world{cfg: cfg, fn: fn, processes: map[string]*process{}, links: map[string]*proxy.Proxy{}}
}

// startServer makes the folders, starts the server, and makes what the function needs there.
func (w *world) startServer(ctx context.Context, env ...string) (err error) {
	for _, port := range []*int{&w.port, &w.httpPort} {
		if *port, err = w.holdPort(); err != nil {
			return err
		}
	}
	for _, dir := range []string{w.ledgers(), w.path("logs"), w.path("store")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	env = append(env, roleVariable+"="+roleServer, storeVariable+"="+w.path("store"), portVariable+"="+strconv.Itoa(w.port))
	if err := w.start(ctx, serverName, w.cfg.Self, env...); err != nil {
		return err
	}
	return w.provision(ctx)
}

// newFunction has every way an event can go: retries, dead letters, timeouts and replies.
func newFunction(cfg Config) *function.Function {
	fn := &function.Function{
		APIVersion: function.APIVersion, Kind: function.Kind, Metadata: function.Metadata{Name: functionName},
		Spec: function.Spec{
			Triggers:    []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{eventSubject + ">"}}}},
			Handler:     function.Handler{Protocol: function.ProtocolStream, Command: []string{"handler"}},
			Concurrency: cfg.Concurrency, Timeout: function.Duration(cfg.Timeout),
			Retry: function.Retry{
				MaxAttempts: maxAttempts, MinBackoff: function.Duration(100 * time.Millisecond),
				MaxBackoff: function.Duration(2 * time.Second),
			},
			Reply: &function.Reply{Subject: replySubject},
			Scale: function.Scale{MaxReplicas: replicas},
		},
	}
	if cfg.Ordered {
		inOrder(fn)
	}
	if cfg.Batch > 0 {
		fn.Spec.Batch = &function.Batch{MaxEvents: cfg.Batch, MaxWait: batchWait}
	}
	fn.SetDefaults()
	return fn
}

// maxAttempts is enough that hardly any event meets so many faults that it dies of them.
const maxAttempts = 6

func (w *world) path(elem ...string) string {
	return filepath.Join(append([]string{w.cfg.Dir}, elem...)...)
}

func (w *world) ledgers() string { return w.path("ledgers") }

func (w *world) serverAddress() string { return net.JoinHostPort(loopback, strconv.Itoa(w.port)) }

// holdPort takes a port that is given to nobody else while its server is away: a socket is bound to it and never listens.
func (w *world) holdPort() (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("hold a port: %w", err)
	}
	w.cleanup = append(w.cleanup, func() { _ = syscall.Close(fd) })
	address := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1), syscall.Bind(fd, address),
	); err != nil {
		return 0, fmt.Errorf("hold a port: %w", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("hold a port: %w", err)
	}
	return name.(*syscall.SockaddrInet4).Port, nil
}

// start begins to keep a process running.
func (w *world) start(ctx context.Context, name, path string, env ...string) error {
	return w.startArgs(ctx, name, path, nil, env...)
}

func (w *world) startArgs(ctx context.Context, name, path string, args []string, env ...string) error {
	log, err := os.OpenFile(w.path("logs", name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	p := &process{name: name, path: path, args: args, env: env, log: log}
	w.processes[name] = p
	ctx, cancel := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() {
		if err := p.keep(ctx); err != nil {
			p.crash(err.Error())
		}
	})
	end := func() {
		cancel()
		keeper.Wait()
		_ = log.Close()
	}
	if name == serverName || name == bridgeName {
		w.cleanup = append(w.cleanup, end)
	} else {
		w.replicas = append(w.replicas, end)
	}
	return nil
}

// provision waits for the server, and makes streams and consumers before the first event is published.
func (w *world) provision(ctx context.Context) error {
	nc, err := connect("nats://"+w.serverAddress(), "faults")
	if err != nil {
		return err
	}
	w.nc = nc
	w.cleanup = append(w.cleanup, nc.Close)
	if w.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(requestWait)); err != nil {
		return fmt.Errorf("make JetStream context: %w", err)
	}
	return poll(ctx, serverPatience, "provision the function", func(ctx context.Context) error {
		if _, err := stream.Ensure(ctx, w.js, stream.Config{MaxPayload: w.nc.MaxPayload()}); err != nil {
			return err
		}
		if _, err := stream.EnsureFunction(ctx, w.js, w.fn); err != nil {
			return err
		}
		return w.cfg.prepare(ctx, w.js, w.fn)
	})
}

// refuseLetters takes the subjects of the dead letters' stream away for a while, so that nobody answers who stores one.
func (w *world) refuseLetters(ctx context.Context, pause time.Duration) error {
	if err := w.setDeadSubjects(ctx, closedSubjects); err != nil {
		return err
	}
	sleep(ctx, pause)
	return w.openLetters(context.WithoutCancel(ctx))
}

// openLetters lets dead letters in again, also if the server has to come back first.
func (w *world) openLetters(ctx context.Context) error {
	return poll(ctx, serverPatience, "open the dead letters", func(ctx context.Context) error {
		return w.setDeadSubjects(ctx, deadSubjects)
	})
}

func (w *world) setDeadSubjects(ctx context.Context, subjects string) error {
	s, err := w.js.Stream(ctx, stream.DeadStream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", stream.DeadStream, err)
	}
	cfg := s.CachedInfo().Config
	cfg.Subjects = []string{subjects}
	if _, err := w.js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("update stream %s: %w", stream.DeadStream, err)
	}
	return nil
}

// poll tries until it works, the patience is over, or ctx ends. The last error comes back.
func poll(ctx context.Context, patience time.Duration, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		one, done := context.WithTimeout(ctx, requestWait)
		err := try(one)
		done()
		if err == nil {
			return nil
		}
		if !sleep(ctx, healPause) {
			return fmt.Errorf("%s: not within %v: %w", what, patience, err)
		}
	}
}

// close ends everything.
func (w *world) close() {
	w.stopReplicas()
	for i := len(w.cleanup) - 1; i >= 0; i-- {
		w.cleanup[i]()
	}
	w.cleanup = nil
}
