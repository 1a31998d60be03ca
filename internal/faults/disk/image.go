package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// imageSize is room for all events of a run. The file has holes where nothing was written.
const imageSize = 256 << 20

// image is an ext4 file system in a file, mounted. The file holds what a disk would hold: what the kernel still has in its page
// cache and has not written back is not in it.
type image struct {
	path string
	dir  string // where it is mounted
}

// newImage makes an empty file system and mounts it. The parts that the kernel would otherwise fill in behind our back are
// written now, so that the disk is at rest when nobody writes.
func newImage(ctx context.Context, path, dir string) (*image, error) {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	if err := os.Truncate(path, imageSize); err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	options := "lazy_itable_init=0,lazy_journal_init=0"
	if err := command(ctx, "mkfs.ext4", "-q", "-F", "-E", options, path); err != nil {
		return nil, err
	}
	return mountImage(ctx, path, dir)
}

// mountImage mounts an image; the file system repairs itself from its journal, as after a power cut.
func mountImage(ctx context.Context, path, dir string) (*image, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make mount point: %w", err)
	}
	if err := command(ctx, "mount", "-o", "loop", path, dir); err != nil {
		return nil, err
	}
	return &image{path: path, dir: dir}, nil
}

// discard unmounts the image and deletes its file.
func (i *image) discard() error {
	err := unix.Unmount(i.dir, 0)
	if err != nil {
		err = fmt.Errorf("unmount %s: %w", i.dir, unix.Unmount(i.dir, unix.MNT_DETACH))
	}
	return errors.Join(err, os.Remove(i.path))
}

// copyTries is more often than a file system writes back by itself what nobody changes any more.
const copyTries = 100

var errBusyDisk = errors.New("the disk does not come to rest")

// cut copies the image as it is at one moment. Who writes to it must be stopped. A copy takes a while, and the kernel may
// write meanwhile: such a copy is of no moment at all, and is made again.
func (i *image) cut(ctx context.Context, to string) error {
	for range copyTries {
		before, err := i.writes()
		if err != nil {
			return err
		}
		if err := copySparse(i.path, to); err != nil {
			return err
		}
		after, err := i.writes()
		if err != nil || before == after && after.inFlight == 0 {
			return err
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
	return fmt.Errorf("copy image: %w", errBusyDisk)
}

// diskWrites is what a disk has been asked to write.
type diskWrites struct{ writes, discards, flushes, inFlight uint64 }

// The columns of /sys/block/DEVICE/stat (Documentation/block/stat.rst).
const (
	statWrites   = 4
	statInFlight = 8
	statDiscards = 11
	statFlushes  = 15
)

func (i *image) writes() (diskWrites, error) {
	device, err := deviceOf(i.dir)
	if err != nil {
		return diskWrites{}, err
	}
	text, err := os.ReadFile(filepath.Join("/sys/block", device, "stat"))
	if err != nil {
		return diskWrites{}, fmt.Errorf("read counters of %s: %w", device, err)
	}
	var columns []uint64
	for field := range strings.FieldsSeq(string(text)) {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return diskWrites{}, fmt.Errorf("read counters of %s: %w", device, err)
		}
		columns = append(columns, n)
	}
	if len(columns) <= statFlushes {
		return diskWrites{}, fmt.Errorf("read counters of %s: %d columns, want %d (Linux 5.5)",
			device, len(columns), statFlushes+1)
	}
	return diskWrites{
		writes: columns[statWrites], discards: columns[statDiscards], flushes: columns[statFlushes],
		inFlight: columns[statInFlight],
	}, nil
}

// deviceOf returns the name of the device that is mounted in a folder, as loop3.
func deviceOf(dir string) (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("list mounts: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == dir {
			return filepath.Base(fields[0]), nil
		}
	}
	return "", fmt.Errorf("find device of %s: it is not mounted", dir)
}

// copySparse copies what of a file is not a hole.
func copySparse(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy image: %w", err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("copy image: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	size, err := in.Seek(0, io.SeekEnd)
	if err == nil {
		err = out.Truncate(size)
	}
	if err != nil {
		return fmt.Errorf("copy image: %w", err)
	}
	for at := int64(0); ; {
		begin, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // only holes follow
		}
		if err != nil {
			return fmt.Errorf("copy image: %w", err)
		}
		if at, err = unix.Seek(int(in.Fd()), begin, unix.SEEK_HOLE); err != nil {
			return fmt.Errorf("copy image: %w", err)
		}
		part := io.NewSectionReader(in, begin, at-begin)
		if _, err := io.Copy(io.NewOffsetWriter(out, begin), part); err != nil {
			return fmt.Errorf("copy image: %w", err)
		}
	}
}

// command runs a program of the system.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		line := strings.Join(slices.Insert(args, 0, name), " ")
		return fmt.Errorf("run %s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// sleep reports whether the whole pause has passed before ctx ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}
