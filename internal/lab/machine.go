package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Disk space, as seen: a cold build fills 7 GB of Go's build cache, the programs take 0.8 GB, a cluster in use under 1 GB.
const (
	gib          = 1 << 30
	diskToBuild  = 9 * gib
	diskToRun    = 2 * gib
	programsSize = 1 * gib
)

// checkMachine looks for what no package can bring, and reports all that is missing.
func (c *Cluster) checkMachine(ctx context.Context) (string, error) {
	err := errors.Join(checkOverlay(ctx), checkCgroups("/sys/fs/cgroup"), checkSpace(c.dir, diskToRun))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrMachine, err)
	}
	return "", nil
}

// checkOverlay looks for the file system that images are mounted with. It may be a module that is not loaded yet.
func checkOverlay(ctx context.Context) error {
	known := func() bool {
		text, err := os.ReadFile("/proc/filesystems")
		return err == nil && bytes.Contains(text, []byte("\toverlay\n"))
	}
	if known() {
		return nil
	}
	err := run(ctx, "modprobe", "overlay")
	if known() {
		return nil
	}
	return fmt.Errorf("the kernel has no overlay file system: use one with CONFIG_OVERLAY_FS (%w)", err)
}

// checkCgroups looks for the controllers that pods are limited with, of either version.
func checkCgroups(root string) error {
	v2, _ := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	var missing []string
	for _, controller := range []string{"cpu", "cpuset", "memory", "pids"} {
		_, err := os.Stat(filepath.Join(root, controller))
		if err != nil && !slices.Contains(strings.Fields(string(v2)), controller) {
			missing = append(missing, controller)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s lacks the controllers %s: mount cgroups, or use another kernel", root, strings.Join(missing, ", "))
	}
	return nil
}

// checkSpace looks at the file system of a path that need not exist yet.
func checkSpace(path string, need uint64) error {
	for {
		var stat syscall.Statfs_t
		err := syscall.Statfs(path, &stat)
		if errors.Is(err, fs.ErrNotExist) && path != "/" {
			path = filepath.Dir(path)
			continue
		}
		if err != nil {
			return fmt.Errorf("look at disk space of %s: %w", path, err)
		}
		if have := uint64(stat.Bavail) * uint64(stat.Bsize); have < need {
			return fmt.Errorf("too little disk space at %s: need %.1f GiB, have %.1f GiB", path,
				float64(need)/gib, float64(have)/gib)
		}
		return nil
	}
}

// debian says which package brings a file that the lab needs.
var debian = []struct{ file, name string }{
	{"/usr/bin/containerd", "containerd"},
	{"/usr/bin/containerd-shim-runc-v2", "containerd"},
	{"/usr/bin/ctr", "containerd"},
	{"/usr/sbin/runc", "runc"},
	{cniPlugins + "/bridge", "containernetworking-plugins"},
	{cniPlugins + "/host-local", "containernetworking-plugins"},
	{cniPlugins + "/loopback", "containernetworking-plugins"},
	{"/usr/sbin/ip", "iproute2"},
	{"/usr/bin/mount", "mount"},
	{"/usr/bin/umount", "mount"},
}

// missingPackages returns the packages of files that do not exist under root.
func missingPackages(root string) []string {
	var missing []string
	for _, need := range debian {
		if _, err := os.Stat(filepath.Join(root, need.file)); err != nil && !slices.Contains(missing, need.name) {
			missing = append(missing, need.name)
		}
	}
	return missing
}

// installPackages installs what is missing. Debian's containerd may start a service of its own; the lab has another socket.
func (c *Cluster) installPackages(ctx context.Context) (string, error) {
	missing := missingPackages("/")
	if len(missing) == 0 {
		return "installed", nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", fmt.Errorf("install %s: there is no apt-get here: %w", strings.Join(missing, ", "), err)
	}
	log, err := os.Create(filepath.Join(c.LogDir(), "apt.log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	install := append([]string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends"}, missing...)
	if err := runTo(ctx, log, "apt-get", "update"); err != nil {
		return "", err
	}
	if err := runTo(ctx, log, "env", install...); err != nil {
		return "", err
	}
	if still := missingPackages("/"); len(still) > 0 {
		return "", fmt.Errorf("apt-get installed %s, and files of %s are not where they are expected", strings.Join(missing, ", "),
			strings.Join(still, ", "))
	}
	return "installed " + strings.Join(missing, ", "), nil
}
