package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"time"
)

// marker is a file that makes a directory a lab's. It is also what is locked.
const marker = ".pelton-lab"

// claim makes the directory ours. One with files of others in it is refused: Down removes what it finds under our names.
func (c *Cluster) claim() error {
	if err := mayChange(); err != nil {
		return err
	}
	return c.claimDir()
}

func (c *Cluster) claimDir() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read lab directory: %w", err)
	}
	_, err = os.Stat(c.path(marker))
	if err == nil {
		return nil
	}
	if len(entries) > 0 && c.dir != DefaultDir {
		return fmt.Errorf("lab directory %s: it has files of others in it; name one that is empty or does not exist", c.dir)
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return fmt.Errorf("make lab directory: %w", err)
	}
	if err := os.WriteFile(c.path(marker), []byte("This directory belongs to internal/lab of Pelton.\n"), 0o644); err != nil {
		return fmt.Errorf("make lab directory: %w", err)
	}
	return nil
}

// mayChange refuses machines and users for which every later step would fail with a riddle.
func mayChange() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%w: it needs Linux, this is %s", ErrMachine, runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: it makes network devices, mounts and cgroups: run it as root", ErrMachine)
	}
	return nil
}

// lock lets one command at a time change the lab, and waits for its turn. The kernel gives it back if we are killed. In a
// directory that is no lab's it is ErrDown.
func (c *Cluster) lock(ctx context.Context) (unlock func(), err error) {
	if err := mayChange(); err != nil {
		return nil, err
	}
	return c.lockDir(ctx)
}

func (c *Cluster) lockDir(ctx context.Context) (unlock func(), err error) {
	file, err := os.OpenFile(c.path(marker), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lock lab %s: %w", c.dir, ErrDown)
	}
	if err != nil {
		return nil, fmt.Errorf("lock lab: %w", err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for told := false; ; told = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("lock lab: %w", err)
		}
		if !told {
			fmt.Fprintln(c.out, "another lab command runs: waiting for it")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("lock lab: %w", ctx.Err())
		}
	}
}
