package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/lab/daemon"
	"github.com/pelton-dev/pelton/internal/lab/proc"
)

// script is a component that is a shell script, ready as soon as its file is there.
func script(t *testing.T, c *Cluster, code string) component {
	t.Helper()
	file := c.path("run", "ready")
	t.Cleanup(func() {
		if _, err := c.keeper.Stop(context.WithoutCancel(t.Context()), "script", grace); err != nil {
			t.Error(err)
		}
	})
	return component{
		name: "script", command: []string{"/bin/sh", "-c", strings.ReplaceAll(code, "READY", file)},
		ready: func(context.Context) error {
			_, err := os.Stat(file)
			return err
		},
	}
}

// TestEnsure starts, leaves alone, and starts again what was killed or changed.
func TestEnsure(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	part := script(t, c, "touch READY; exec sleep 600")
	ensure := func(want string) int {
		t.Helper()
		note, err := c.ensure(t.Context(), part)
		if err != nil || !strings.HasPrefix(note, want) {
			t.Errorf("got %q, %v; want %q", note, err, want)
		}
		rec, alive, err := c.keeper.Find("script")
		if err != nil || !alive {
			t.Errorf("it does not run: %v", err)
		}
		return rec.PID
	}
	first := ensure("started")
	if again := ensure("runs"); again != first {
		t.Errorf("pid %d became %d", first, again)
	}
	if err := c.keeper.Signal("script", 9); err != nil {
		t.Fatal(err)
	}
	if err := await(t.Context(), never, func(context.Context) error {
		_, alive, err := c.keeper.Find("script")
		if alive {
			return errors.New("still alive")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	second := ensure("started")
	part.env = []string{"NEW=1"}
	if third := ensure("restarted: its settings changed"); third == second {
		t.Error("settings changed and it was not started again")
	}
}

// TestAProcessWithoutARecord is ended before another takes its place.
func TestAProcessWithoutARecord(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	part := script(t, c, "sleep 600 & touch READY; wait")
	if _, err := c.ensure(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	rec, _, err := c.keeper.Find("script")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.path("run", "records", "script.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ensure(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	if rec.Alive() {
		t.Error("two of them run")
	}
	if _, err := c.keeper.Stop(t.Context(), "script", grace); err != nil {
		t.Fatal(err)
	}
	if note, err := c.killMarked(t.Context()); err != nil || note == "0 processes" { // the sleeps of both
		t.Errorf("killed %s, %v", note, err)
	}
	if left := c.keeper.Marked(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestAComponentThatEnds is not waited for: the error has the end of its log, and where it is.
func TestAComponentThatEnds(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	part := script(t, c, "echo one; echo no such flag >&2; exit 3")
	_, err := c.ensure(t.Context(), part)
	wantError(t, err, "it ended", "no such flag", c.keeper.LogPath("script"))
}

// TestPortTaken names the port and who has it.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	c := testLab(t)
	part := script(t, c, "touch READY; exec sleep 600")
	part.ports = []int{port}
	_, err = c.ensure(t.Context(), part)
	wantError(t, err, fmt.Sprintf("port %d is taken by ", port), fmt.Sprintf("(pid %d)", os.Getpid()))
	if _, alive, _ := c.keeper.Find("script"); alive {
		t.Error("it was started all the same")
	}
}

func TestAwait(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fails := func(context.Context) error { return broken }
	if err := awaitFor(t.Context(), 1, never, fails); !errors.Is(err, broken) {
		t.Errorf("patience over: %v", err)
	}
	gone := errors.New("gone")
	if err := await(t.Context(), func() error { return gone }, fails); !errors.Is(err, gone) {
		t.Errorf("ended: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := await(canceled, never, fails); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// TestOtherKubelet refuses a machine on which somebody else's pods run, by either version of cgroups.
func TestOtherKubelet(t *testing.T) {
	t.Parallel()
	for _, tree := range []string{"kubepods", "memory/kubepods"} {
		root := t.TempDir()
		if err := refuseOtherKubelet(root); err != nil {
			t.Errorf("no pods: %v", err)
		}
		pod := filepath.Join(root, tree, "besteffort", "pod1")
		if err := os.MkdirAll(pod, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := refuseOtherKubelet(root); err != nil {
			t.Errorf("empty groups: %v", err)
		}
		procs := fmt.Sprintf("%d\n%d\n", os.Getpid(), 1<<30)
		if err := os.WriteFile(filepath.Join(pod, "cgroup.procs"), []byte(procs), 0o644); err != nil {
			t.Fatal(err)
		}
		wantError(t, refuseOtherKubelet(root), "another cluster", fmt.Sprintf("(pid %d)", os.Getpid()))
		if groups := podGroups(root); len(groups) != 3 || groups[0] != pod {
			t.Errorf("want the deepest first: %v", groups)
		}
	}
}

// TestKillPodsKillsOnlyWhatItSaw checks that a process is named by more than its pid.
func TestKillPodsKillsOnlyWhatItSaw(t *testing.T) {
	t.Parallel()
	self, err := proc.Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self.Started-- // whoever had our pid before us
	if err := daemon.KillProcess(self); err != nil {
		t.Error(err)
	}
}
