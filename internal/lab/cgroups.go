package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelton-dev/pelton/internal/lab/daemon"
	"github.com/pelton-dev/pelton/internal/lab/proc"
)

// cgroupRoot is where cgroups are mounted, the kubelet's with the fixed name kubepods below it: of version 2 or of version 1,
// where every controller has a tree of its own.
const cgroupRoot = "/sys/fs/cgroup"

// podGroups returns the kubelet's cgroups, the deepest first.
func podGroups(root string) []string {
	var groups []string
	for _, pattern := range []string{"kubepods", "*/kubepods"} {
		tops, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, top := range tops {
			_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					groups = append(groups, path)
				}
				return nil // a group that vanishes meanwhile is no problem
			})
		}
	}
	slices.SortFunc(groups, func(a, b string) int { return strings.Compare(b, a) })
	return groups
}

// podProcesses returns the processes in the kubelet's cgroups.
func podProcesses(root string) []proc.Process {
	found := map[int]proc.Process{}
	for _, group := range podGroups(root) {
		text, _ := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			if p, err := proc.Read(pid); err == nil && !p.Dead {
				found[pid] = p
			}
		}
	}
	all := make([]proc.Process, 0, len(found))
	for _, p := range found {
		all = append(all, p)
	}
	return all
}

// refuseOtherKubelet looks for pods of a cluster that is not ours. Two kubelets would kill each other's pods as orphans.
func refuseOtherKubelet(root string) error {
	for _, p := range podProcesses(root) {
		return fmt.Errorf("another cluster runs pods on this machine, such as %s (pid %d): a lab needs a machine without one",
			p.Command, p.PID)
	}
	return nil
}

// killPods kills everything in the kubelet's cgroups until nothing is left.
func (c *Cluster) killPods(ctx context.Context) (string, error) {
	killed := map[int]bool{}
	err := await(ctx, never, func(context.Context) error {
		left := podProcesses(cgroupRoot)
		for _, p := range left {
			killed[p.PID] = true
			if err := daemon.KillProcess(p); err != nil {
				return fmt.Errorf("kill %s (pid %d): %w", p.Command, p.PID, err)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%d processes are left, such as %s (pid %d)", len(left), left[0].Command, left[0].PID)
		}
		return nil
	})
	return fmt.Sprintf("%d processes", len(killed)), err
}

// killMarked kills what we started and have no record of, and the shims of our containerd, which inherit our mark.
func (c *Cluster) killMarked(ctx context.Context) (string, error) {
	killed := map[int]bool{}
	err := await(ctx, never, func(context.Context) error {
		left := c.keeper.Marked()
		for _, p := range left {
			killed[p.PID] = true
			if err := daemon.KillProcess(p); err != nil {
				return fmt.Errorf("kill %s (pid %d): %w", p.Command, p.PID, err)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%d processes are left", len(left))
		}
		return nil
	})
	return fmt.Sprintf("%d processes", len(killed)), err
}

// removeCgroups removes the kubelet's cgroups, which are empty by now.
func removeCgroups(context.Context) (string, error) {
	var problems []error
	for _, group := range podGroups(cgroupRoot) {
		if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	return "", errors.Join(problems...)
}
