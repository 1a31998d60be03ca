package faults

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// Config says what to run. Self, Programs and Dir are needed.
type Config struct {
	Seed     uint64
	Duration time.Duration // how long there are faults; 0 is a minute
	Every    time.Duration // between two faults, on average; 0 is none
	Load     Load          // the zero value is DefaultLoad at a hundred events a second
	Plan     []Action      // nil is NewPlan
	Kill     string        // the plan kills processes of this kind and does nothing else: handler, sidecar, server or bridge

	Self        string // this program, whose main calls RunRole
	Programs    Programs
	Ordered     bool   // the function has an order, by the keys of the load
	Host        bool   // `pelton up` keeps the replicas, in place of two sidecars with handlers of their own
	Dir         string // an empty folder; its path must be short, as it holds sockets
	Planted     string // the bug to switch on, in programs built with -tags planted
	Dies        string // where the sidecar dies now and then; the same build
	MaxDeliver  int    // of the event consumer; 0 leaves it alone. A planted bug of the server's configuration
	Concurrency int    // of each replica; 0 is 8
	Batch       int    // events in one call, at most; 0 is one event per call
	Timeout     time.Duration
	Patience    time.Duration // for everything to settle after the last fault; 0 is four minutes

	Out io.Writer // progress; nil is none
}

func (c Config) withDefaults() Config {
	c.Duration = cmp.Or(c.Duration, time.Minute)
	if c.Load.Events == 0 {
		c.Load = DefaultLoad(100, c.Duration)
	}
	if c.Programs.Bridge == "" {
		c.Load.HTTP = 0
	}
	switch {
	case c.Plan != nil:
	case c.Kill != "":
		c.Plan = newKillPlan(c.kind(), c.Kill, c.Seed, c.Duration, c.Every)
	default:
		c.Plan = newPlan(c.kind(), c.Seed, c.Duration, c.Every)
	}
	c.Concurrency = cmp.Or(c.Concurrency, function.DefaultConcurrency)
	c.Timeout, c.Patience = cmp.Or(c.Timeout, 2*time.Second), cmp.Or(c.Patience, 4*time.Minute)
	if c.Out == nil {
		c.Out = io.Discard
	}
	return c
}

// kind is what there is in such a world.
func (c Config) kind() worldKind { return worldKind{host: c.Host, bridge: c.Programs.Bridge != ""} }

// maxDir is how long the path of a folder may be that holds sockets: the system takes about 100 bytes.
const maxDir = 90

// validate looks at what must be there.
func (c Config) validate() error {
	var problems []error
	if len(c.Dir) > maxDir {
		problems = append(problems, fmt.Errorf("dir: %q has %d bytes, and sockets in it allow %d (set TMPDIR to a shorter one)",
			c.Dir, len(c.Dir), maxDir))
	}
	if c.Load.Rate <= 0 || c.Load.Events < 1 {
		problems = append(problems, fmt.Errorf("load: %d events at %g a second: want at least one of each",
			c.Load.Events, c.Load.Rate))
	}
	if c.Duration < 0 || c.Every < 0 {
		problems = append(problems, fmt.Errorf("duration, every: %v, %v: want none below 0", c.Duration, c.Every))
	}
	for i, a := range c.Plan {
		if err := a.validate(c.kind()); err != nil {
			problems = append(problems, fmt.Errorf("plan[%d]: %w", i, err))
		}
	}
	return errors.Join(problems...)
}

// prepare plants what is not in the sidecar.
func (c Config) prepare(ctx context.Context, js jetstream.JetStream, fn *function.Function) error {
	if c.MaxDeliver == 0 {
		return nil
	}
	return limitDeliveries(ctx, js, fn, c.MaxDeliver)
}

// Run runs a world and judges it. The error says that there is no verdict.
func Run(ctx context.Context, cfg Config) (*Verdict, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("check the run: %w", err)
	}
	w, err := newWorld(ctx, cfg)
	defer w.close()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	done, err := w.hurtWhilePublishing(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.heal(ctx); err != nil {
		return nil, err
	}
	healed := time.Now()
	unsettled := w.settle(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	settled := time.Since(healed)
	e, err := w.collect(ctx, unsettled)
	if err != nil {
		return nil, err
	}
	e.faults, e.limit, e.room = countFaults(done)+e.deaths, maxAttempts, replicas*cfg.perReplica()
	e.ordered = cfg.Ordered
	e.held = inFlight(done, cfg, e.handled) + e.deaths*cfg.perReplica()
	if err := w.replayLetters(ctx, e); err != nil {
		return nil, err
	}
	v := check(e)
	v.remember(cfg)
	v.Faults, v.Died, v.InFlight, v.Recovery = done, e.deaths, e.held, recoveries(done, e)
	v.Took, v.Settled = time.Since(begun), settled
	return v, nil
}

// hurtWhilePublishing returns when everything is published and the plan is over. The plan begins with the first call: what
// has never worked cannot be broken.
func (w *world) hurtWhilePublishing(ctx context.Context) ([]Action, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	published := make(chan error, 1)
	go func() {
		err := w.publish(ctx)
		if err != nil {
			cancel(err) // nothing is worth hurting any more
		}
		published <- err
	}()
	n := &nemesis{world: w, out: w.cfg.Out}
	err := w.awaitCall(ctx)
	if err != nil {
		cancel(err)
	} else {
		n.run(ctx, w.cfg.Plan)
	}
	return n.done, cmp.Or(<-published, err, ctx.Err())
}

var errNoCall = errors.New("no handler was called")

// awaitCall waits for the first record of a handler.
func (w *world) awaitCall(ctx context.Context) error {
	return poll(ctx, serverPatience, "await the first call", func(context.Context) error {
		records, err := readLedgers(w.ledgers(), handlerLedger)
		if err == nil && len(records) == 0 {
			err = errNoCall
		}
		return err
	})
}

// publish runs the publisher to its end.
func (w *world) publish(ctx context.Context) error {
	load, err := json.Marshal(w.cfg.Load)
	if err != nil {
		return fmt.Errorf("encode load: %w", err)
	}
	log, err := os.Create(w.path("logs", rolePublisher+".log"))
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }()
	p := &process{name: rolePublisher, path: w.cfg.Self, log: log, env: []string{
		roleVariable + "=" + rolePublisher, ledgerVariable + "=" + w.ledgers(), natsVariable + "=" + w.url(publisherName),
		httpVariable + "=http://" + w.httpAddress(), seedVariable + "=" + strconv.FormatUint(w.cfg.Seed, 10), loadVariable + "=" + string(load),
	}}
	cmd, err := p.start()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("publish (see %s): %w", log.Name(), err)
	}
	return nil
}

// countFaults counts what was done.
func countFaults(actions []Action) (n int) {
	for _, a := range actions {
		if a.Result == "" {
			n++
		}
	}
	return n
}
