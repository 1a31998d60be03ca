package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pelton-dev/pelton/internal/lab/proc"
)

// Down ends everything that Up started and takes back what it changed, after a failed Up and after a reboot, too. It does all
// it can and reports all that it could not. Without a cluster it does nothing.
func (c *Cluster) Down(ctx context.Context) error {
	unlock, err := c.lock(ctx)
	if errors.Is(err, ErrDown) {
		fmt.Fprintln(c.out, "there is no lab: nothing to do")
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	old, err := c.readState()
	if old == nil && err == nil && len(c.keeper.Marked()) == 0 {
		fmt.Fprintln(c.out, "there is no lab: nothing to do")
		return nil
	}
	return c.down(ctx)
}

func (c *Cluster) down(ctx context.Context) error {
	old, _ := c.readState() // a state that cannot be read is no reason to leave all of it running
	var problems []error
	try := func(name string, do func(context.Context) (string, error)) {
		problems = append(problems, c.step(ctx, name, do))
	}
	stop := func(name string) {
		try(name, func(ctx context.Context) (string, error) {
			was, err := c.keeper.Stop(ctx, name, grace)
			if !was {
				return "did not run", err
			}
			return "stopped", err
		})
	}
	// Nothing may start pods while they are killed; containerd outlives them to take note of their end.
	for _, name := range []string{KEDAAdapter, KEDAOperator, Scheduler, ControllerManager, Kubelet} {
		stop(name)
	}
	try("pods", c.killPods)
	for _, name := range []string{Containerd, APIServer, Etcd} {
		stop(name)
	}
	try("strays", c.killMarked)
	try("mounts", c.unmount)
	try("cgroups", removeCgroups)
	try("network", c.removeNetwork)
	try("settings", func(ctx context.Context) (string, error) { return "", c.restoreMachine(ctx, old) })
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("take the lab down: %w", err) // the state stays, for the next try
	}
	return c.step(ctx, "files", c.removeFiles)
}

// unmount takes away all mounts in our directory. Those that are in use vanish as soon as they no longer are.
func (c *Cluster) unmount(ctx context.Context) (string, error) {
	mounts, err := proc.Mounts(c.dir)
	if err != nil {
		return "", err
	}
	var problems []error
	for _, mount := range mounts {
		problems = append(problems, run(ctx, "umount", "--lazy", mount))
	}
	return fmt.Sprintf("%d", len(mounts)), errors.Join(problems...)
}

// sharedDirs are where the kubelet, containerd and CNI plugins keep something at a fixed place. An empty one is of no use.
var sharedDirs = []string{
	"/var/log/containers", "/var/lib/kubelet/device-plugins", "/var/lib/kubelet", resultsDir, filepath.Dir(resultsDir),
	"/run/containerd/s", "/run/containerd",
}

func (c *Cluster) restoreMachine(ctx context.Context, old *state) error {
	problems := []error{
		clearHosts(hostsFile), removeLinks("/var/log/containers", c.LogDir()),
		removeShimSockets(c.path("cd", "state")),
	}
	removeDeadSocket(ctx, "/var/lib/kubelet/device-plugins/kubelet.sock")
	for _, dir := range sharedDirs {
		_ = os.Remove(dir) // it stays if there is something in it
	}
	if boot, err := proc.Boot(); err == nil && old != nil && old.Boot == boot { // another boot began with its own
		problems = append(problems, restoreKernel("/proc/sys", old.Kernel))
	}
	return errors.Join(problems...)
}

// removeLinks removes the links of a directory that point into another: the kubelet makes them at a fixed place.
func removeLinks(dir, into string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	problems := []error{err}
	for _, entry := range entries {
		link := filepath.Join(dir, entry.Name())
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, into+"/") {
			problems = append(problems, os.Remove(link))
		}
	}
	return errors.Join(problems...)
}

// removeDeadSocket removes a socket at which nobody listens any more.
func removeDeadSocket(ctx context.Context, path string) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
		return
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path)
	}
}

// removeShimSockets removes the sockets of shims, which lie outside the state directory of their containerd. The bundle of each
// container says where.
func removeShimSockets(state string) error {
	files, err := filepath.Glob(filepath.Join(state, "io.containerd.runtime.v2.task", "*", "*", "address"))
	problems := []error{err}
	for _, file := range files {
		text, err := os.ReadFile(file)
		socket, isSocket := strings.CutPrefix(strings.TrimSpace(string(text)), "unix://")
		if err != nil || !isSocket {
			continue
		}
		if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// removeFiles removes the cluster's state, the record of the cluster last. With a mount left it would remove what is mounted.
func (c *Cluster) removeFiles(context.Context) (string, error) {
	mounts, err := proc.Mounts(c.dir)
	if err != nil {
		return "", err
	}
	ours := func(mount string) bool {
		return strings.HasPrefix(mount, c.path("run")+"/") || strings.HasPrefix(mount, c.path("cd")+"/")
	}
	if i := slices.IndexFunc(mounts, ours); i >= 0 {
		return "", fmt.Errorf("%s is still mounted", mounts[i])
	}
	if err := os.RemoveAll(c.path("cd")); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(c.path("run"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, entry := range entries {
		if entry.Name() == "cluster.json" {
			continue
		}
		if err := os.RemoveAll(c.path("run", entry.Name())); err != nil {
			return "", err
		}
	}
	return "", os.RemoveAll(c.path("run"))
}
