package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pelton-dev/pelton/internal/lab/daemon"
	"github.com/pelton-dev/pelton/internal/lab/proc"
)

// startAll starts what does not run, in the order in which one needs the other.
func (c *Cluster) startAll(ctx context.Context) error {
	type step struct {
		name string
		do   func(context.Context) (string, error)
	}
	start := func(part component) step {
		return step{part.name, func(ctx context.Context) (string, error) { return c.ensure(ctx, part) }}
	}
	wait := func(name string, check func(context.Context) error) step {
		return step{name, func(ctx context.Context) (string, error) { return "", await(ctx, never, check) }}
	}
	for _, s := range []step{
		{"bridge", c.ensureBridge},
		start(c.etcd()), start(c.apiServer()), start(c.controllerManager()), start(c.scheduler()),
		start(c.containerd()),
		{"pause image", c.loadPause},
		start(c.kubelet()),
		{"keda objects", c.kedaObjects},
		start(c.kedaOperator()), start(c.kedaAdapter()),
		wait("external metrics", c.metricsAvailable),
		wait("node", c.nodeReady),
		wait("service account", c.healthy(apiURL("/api/v1/namespaces/default/serviceaccounts/default"))),
	} {
		if err := c.step(ctx, s.name, s.do); err != nil {
			return err
		}
	}
	return nil
}

// ensure leaves a component alone that runs as it should and is ready, and otherwise starts it, after it has stopped what was
// there.
func (c *Cluster) ensure(ctx context.Context, part component) (string, error) {
	rec, alive, err := c.keeper.Find(part.name)
	if err != nil {
		return "", err
	}
	note := "started"
	if alive {
		note = "restarted: its settings changed"
		if rec.Runs(c.spec(part)) {
			problem := c.awaitReady(ctx, part, rec)
			if problem == nil {
				return fmt.Sprintf("runs (pid %d)", rec.PID), nil
			}
			note = "restarted: " + strings.SplitN(problem.Error(), "\n", 2)[0]
		}
	}
	pid, err := c.restart(ctx, part)
	return fmt.Sprintf("%s (pid %d)", note, pid), err
}

func (c *Cluster) restart(ctx context.Context, part component) (int, error) {
	if _, err := c.keeper.Stop(ctx, part.name, grace); err != nil {
		return 0, err
	}
	if err := c.killStrays(ctx, part); err != nil {
		return 0, err
	}
	free := func(context.Context) error { return portsFree(part) }
	if err := awaitFor(ctx, closing, never, free); err != nil {
		return 0, err
	}
	rec, err := c.keeper.Start(c.spec(part))
	if err != nil {
		return 0, err
	}
	return rec.PID, c.awaitReady(ctx, part, rec)
}

// killStrays ends what an earlier command started as this component and was killed before it could record it.
func (c *Cluster) killStrays(ctx context.Context, part component) error {
	const longest = 15 // what the kernel keeps of a name
	name := filepath.Base(part.command[0])
	for _, p := range c.keeper.Marked() {
		if p.Command != name[:min(longest, len(name))] {
			continue
		}
		if err := daemon.KillProcess(p); err != nil {
			return fmt.Errorf("kill %s without a record (pid %d): %w", p.Command, p.PID, err)
		}
		if err := await(ctx, never, ended(p)); err != nil {
			return err
		}
	}
	return nil
}

// ended returns a check that passes when a process is gone.
func ended(p proc.Process) func(context.Context) error {
	return func(context.Context) error {
		if now, err := proc.Read(p.PID); err == nil && !now.Dead && now.Started == p.Started {
			return fmt.Errorf("%s (pid %d) is still there", p.Command, p.PID)
		}
		return nil
	}
}

// Restart ends a component, as gently as a platform would, starts it again and waits until it is ready.
func (c *Cluster) Restart(ctx context.Context, name string) error {
	part, err := c.component(name)
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := c.restart(ctx, part); err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	return nil
}

// Start starts a component that does not run, such as one that was killed, and waits until it is ready.
func (c *Cluster) Start(ctx context.Context, name string) error {
	part, err := c.component(name)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := c.ensure(ctx, part); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return nil
}

// Kill sends a signal to a component and waits for nothing. It does not come back by itself: Start starts it again.
func (c *Cluster) Kill(name string, signal syscall.Signal) error {
	if _, err := c.component(name); err != nil {
		return fmt.Errorf("kill: %w", err)
	}
	return c.keeper.Signal(name, signal)
}
