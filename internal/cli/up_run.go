package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/access"
	"github.com/pelton-dev/pelton/internal/bridge"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/lifecycle"
	"github.com/pelton-dev/pelton/internal/process"
	"github.com/pelton-dev/pelton/internal/scrub"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// upRun is one run of `pelton up`. What it starts is stopped in the opposite order: the HTTP side stops accepting while the
// supervisor drains, then run records are flushed, connections closed, and the NATS server goes last.
type upRun struct {
	app     *app
	out     *upOutput
	opts    upOptions
	log     *zap.Logger
	started time.Time

	functions []*function.Function
	problems  map[function.Key]string // why a function cannot run now
	access    *access.Gate            // who may ask over HTTP; nil asks nobody
	http      net.Listener
	runtime   string // folder for sockets, of this run alone
	guard     *process.Guard
	nats      *natsServer // nil with --nats
	maxStore  int64       // of our NATS server, in bytes
	damages   []scrub.Damage
	state     upState

	maxEvent int64 // bytes that EVENTS takes in one event; 0 is as the server takes
	js       jetstream.JetStream
	console  *console
	sup      *supervisor.Supervisor
	bridge   *bridge.Server
	control  *control
	actors   []lifecycle.Actor

	reloads   *reloads
	warnings  warnings    // before run, then the one goroutine that reloads
	announced sync.Map    // function.Key: it is on the start screen, and did not come later
	showing   *background // the console; nil before the start screen
	cleanups  []func()
}

// up runs until ctx ends or a part of it fails.
func (a *app) up(ctx context.Context, o upOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	log, err := a.logger(o.logLevel)
	if err != nil {
		return err
	}
	u := &upRun{app: a, opts: o, log: log, started: time.Now(), problems: map[function.Key]string{}, reloads: newReloads()}
	if u.functions, err = loadFunctions(o.paths, o.checks()...); err != nil {
		return err
	}
	if err = u.openAccess(ctx); err != nil {
		return err
	}
	defer u.close()
	var stopOutput func()
	u.out, stopOutput = newUpOutput(a.stdout)
	u.later(stopOutput)
	for _, step := range []func(context.Context) error{
		u.takeState, u.takePorts, u.takeRuntime, u.startNATS, u.ensureStreams, u.build,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return u.run(ctx)
}

// later registers what must be undone at the end.
func (u *upRun) later(undo func()) { u.cleanups = append(u.cleanups, undo) }

func (u *upRun) close() {
	for i := len(u.cleanups) - 1; i >= 0; i-- {
		u.cleanups[i]()
	}
}

// takeState locks the state folder and removes what a run that was killed left behind. A run that keeps nothing needs the
// folder only to be found, and can do without in a place where nothing can be written.
func (u *upRun) takeState(context.Context) error {
	dir := cmp.Or(u.opts.stateDir, defaultStateDir)
	err := openStateDir(dir)
	if err != nil && u.opts.ephemeral && u.opts.stateDir == "" {
		return nil // takeRuntime has another
	}
	if err != nil {
		return err
	}
	u.opts.stateDir = dir
	lock, err := lockState(dir)
	if err != nil {
		return err
	}
	u.later(lock.release)
	u.later(func() { _ = os.Remove(filepath.Join(u.opts.stateDir, stateFileName)) })
	old, err := readState(u.opts.stateDir)
	if err != nil {
		u.app.say("note: %s; it is replaced, and processes of the run that wrote it may be left", oneLine(err.Error(), 200))
	}
	if old != nil {
		u.removeOld(old)
	}
	return nil
}

// removeOld ends processes of a killed run and deletes its sockets. The lock says that it is not running any more.
func (u *upRun) removeOld(old *upState) {
	if n, err := process.KillStale(old.RunID); err != nil {
		u.log.Warn("processes of an earlier run may be left", zap.Error(err))
	} else if n > 0 {
		u.app.say("%s of an earlier run ended", plural(n, "process"))
	}
	if dir := filepath.Dir(old.ControlSocket); strings.HasPrefix(filepath.Base(dir), runtimePrefix) {
		_ = os.RemoveAll(dir)
	}
	_ = os.Remove(filepath.Join(u.opts.stateDir, stateFileName))
}

// takePorts opens the HTTP port and sees that the NATS port is free, before anything else is started.
func (u *upRun) takePorts(context.Context) error {
	l, err := listen("port", u.opts.port)
	if err != nil {
		return err
	}
	u.http = l
	u.later(func() { _ = l.Close() })
	if u.opts.natsURL != "" || u.opts.natsPort == 0 {
		return nil
	}
	probe, err := listen("nats-port", u.opts.natsPort)
	if err != nil {
		return err
	}
	return probe.Close()
}

const runtimePrefix = "pelton-"

// takeRuntime makes the folder for sockets and starts the guard that ends our processes should we be killed.
func (u *upRun) takeRuntime(context.Context) error {
	base := os.TempDir()
	if len(base) > 40 {
		base = "/tmp" // the path of a socket may have only about 100 bytes
	}
	dir, err := os.MkdirTemp(base, runtimePrefix)
	if err != nil {
		return fmt.Errorf("make runtime folder: %w", err)
	}
	u.runtime = dir
	u.later(func() { _ = os.RemoveAll(dir) })
	if u.opts.stateDir == "" {
		u.opts.stateDir = dir
		u.app.say("note: nothing can be written here; other commands find this run with --state-dir %s", dir)
	}
	u.state = upState{PID: os.Getpid(), RunID: process.NewRunID(), Version: buildVersion(), StartedAt: u.started}
	u.guard, err = process.StartGuard(process.GuardConfig{RunID: u.state.RunID, OnRestart: func(err error) {
		u.log.Warn("guard process was started again", zap.Error(err))
	}})
	if err != nil {
		return err
	}
	u.later(func() {
		if err := u.guard.Close(); err != nil {
			u.log.Warn("guard process", zap.Error(err))
		}
	})
	return nil
}

// startNATS starts the server, unless another one is to be used.
func (u *upRun) startNATS(context.Context) error {
	if u.opts.natsURL != "" {
		u.state.NATSURL = u.opts.natsURL
		return nil
	}
	dir, limit, err := u.store()
	if err != nil {
		return err
	}
	u.maxStore = limit
	u.checkStore(dir)
	if u.nats, err = startNATS(int(u.opts.natsPort), dir, limit, u.log); err != nil {
		return err
	}
	u.later(u.nats.stop)
	u.state.NATSURL = u.nats.url()
	u.actors = append(u.actors, lifecycle.Actor{Name: "nats", Run: u.nats.run})
	return nil
}

// store says where the server keeps its data, and how much.
func (u *upRun) store() (dir string, limit int64, err error) {
	if u.opts.ephemeral {
		limit, err = storeLimit(u.runtime)
		return filepath.Join(u.runtime, "nats"), limit, err
	}
	limit, err = openStore(u.opts.stateDir)
	return filepath.Join(u.opts.stateDir, "nats"), limit, err
}

// run starts everything, says so, and waits for the end.
func (u *upRun) run(ctx context.Context) error {
	u.actors = append(u.actors, lifecycle.Actor{Name: "output", Run: u.out.run},
		lifecycle.Actor{Name: "start", Run: u.announce})
	err := lifecycle.Run(ctx, u.ending, u.actors...)
	if u.showing != nil {
		u.showing.stop()
		u.farewell()
	}
	return err
}

// announce writes the state file and the start screen once HTTP is served, then shows what happens until ctx ends.
func (u *upRun) announce(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-u.bridge.Ready():
	}
	if err := writeState(u.opts.stateDir, &u.state); err != nil {
		return err
	}
	u.startScreen()
	u.showing = startBackground(ctx, "console", func(ctx context.Context) error {
		u.console.run(ctx)
		return nil
	})
	<-ctx.Done()
	return nil
}

// ending is told which part ended first. Nil means that we were asked to stop.
func (u *upRun) ending(e lifecycle.Exit) {
	if e.Err == nil {
		u.app.say("stopping: running calls have up to %s; Ctrl-C again stops at once", u.opts.grace)
	}
}
