package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/pelton-dev/pelton/internal/lab/proc"
)

// killPatience is how long a killed process may take to vanish: what stays longer is stuck in the kernel.
const killPatience = 10 * time.Second

// ErrNotRunning is returned for a program that does not run.
var ErrNotRunning = errors.New("it does not run")

// Signal sends a signal to a running program.
func (k Keeper) Signal(name string, sig syscall.Signal) error {
	rec, alive, err := k.Find(name)
	if err == nil && !alive {
		err = ErrNotRunning
	}
	if err == nil {
		err = signal(rec, sig)
	}
	if err != nil {
		return fmt.Errorf("signal %s: %w", name, err)
	}
	return nil
}

// Stop ends a program and forgets it: SIGTERM, and SIGKILL after grace. It reports whether there was something to end. A
// record that cannot be read is an error and stays, since the process could not be found any more.
func (k Keeper) Stop(ctx context.Context, name string, grace time.Duration) (bool, error) {
	rec, alive, err := k.Find(name)
	if err != nil {
		return false, err
	}
	if alive {
		if err := end(ctx, rec, grace); err != nil {
			return true, fmt.Errorf("stop %s (pid %d): %w", name, rec.PID, err)
		}
	}
	if err := os.Remove(k.recordPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return alive, fmt.Errorf("forget %s: %w", name, err)
	}
	return alive, nil
}

func end(ctx context.Context, rec Record, grace time.Duration) error {
	for _, try := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, killPatience}} {
		if err := signal(rec, try.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		if gone, err := awaitEnd(ctx, rec, try.patience); gone || err != nil {
			return err
		}
	}
	return fmt.Errorf("still there %v after SIGKILL", killPatience)
}

func awaitEnd(ctx context.Context, rec Record, patience time.Duration) (bool, error) {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for rec.Alive() {
		if time.Now().After(deadline) {
			return false, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}

// signal holds on to the process before it looks whether it is the right one: the pid cannot pass to another in between.
func signal(rec Record, sig syscall.Signal) error {
	p, err := os.FindProcess(rec.PID)
	if err != nil {
		return err
	}
	defer func() { _ = p.Release() }()
	if !rec.Alive() {
		return os.ErrProcessDone
	}
	return p.Signal(sig)
}

// KillProcess kills one process that was looked at before, unless it has ended since.
func KillProcess(p proc.Process) error {
	boot, err := proc.Boot()
	if err != nil {
		return err
	}
	err = signal(Record{PID: p.PID, Started: p.Started, Boot: boot}, syscall.SIGKILL)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Marked returns all processes that carry the mark, recorded or not.
func (k Keeper) Marked() []proc.Process {
	var marked []proc.Process
	for _, p := range proc.All() {
		if proc.Environment(p.PID, k.Mark) {
			marked = append(marked, p)
		}
	}
	return marked
}
