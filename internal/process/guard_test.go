//go:build linux

package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestKilledParentLeavesNothing kills the parent at random moments of its start and work.
func TestKilledParentLeavesNothing(t *testing.T) {
	t.Parallel()
	for i := range 12 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			runID := NewRunID()
			p := startParent(t, runID)
			p.await(t, "guard")
			timer := time.NewTimer(time.Duration(rand.Int64N(int64(120 * time.Millisecond))))
			<-timer.C
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			waittest.Eventually(t, func() error { return noneLeft(runID) })
		})
	}
}

// TestKilledGuardIsReplaced kills the guard, then the parent once the guard is back.
func TestKilledGuardIsReplaced(t *testing.T) {
	t.Parallel()
	restarted := make(chan error, 10)
	runID := NewRunID()
	g, err := StartGuard(GuardConfig{RunID: runID, OnRestart: func(err error) { restarted <- err }})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(Config{Command: []string{"sleep", "1000"}, Guard: g})
	if err != nil {
		t.Fatal(err)
	}
	first := g.PID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	if g.PID() == first {
		t.Fatal("the guard was not replaced")
	}
	if err := g.Close(); err != nil { // the same end of file as our death
		t.Fatal(err)
	}
	if e := p.Exit(); e.Signal != "SIGKILL" {
		t.Fatalf("the new guard did not know the group: %v", e)
	}
}

// TestStuckGuardIsReplaced stops the guard, so that it reads nothing, and starts and ends more groups than its pipe holds.
func TestStuckGuardIsReplaced(t *testing.T) {
	t.Parallel()
	restarted := make(chan error, 10)
	g, err := StartGuard(GuardConfig{RunID: NewRunID(), OnRestart: func(err error) { restarted <- err }})
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(g.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const group = 1 << 30 // beyond any process id
	for i := 0; len(restarted) == 0; i++ {
		g.add(group + i)
		g.remove(group + i)
	}
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCloseDuringRestart closes the guard at any moment of a helper's replacement.
func TestCloseDuringRestart(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		g, err := StartGuard(GuardConfig{RunID: NewRunID()})
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(g.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		timer := time.NewTimer(time.Duration(i) * 500 * time.Microsecond)
		<-timer.C
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKillStale is the case of a guard that was killed with its parent.
func TestKillStale(t *testing.T) {
	t.Parallel()
	runID := NewRunID()
	p := startParent(t, runID)
	guard, err := strconv.Atoi(p.await(t, "guard"))
	if err != nil {
		t.Fatal(err)
	}
	p.await(t, "up")
	for _, pid := range []int{guard, p.cmd.Process.Pid} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	n, err := KillStale(runID)
	if err != nil || n == 0 {
		t.Fatalf("killed %d: %v", n, err)
	}
	if err := noneLeft(runID); err != nil {
		t.Fatal(err)
	}
}

// TestKillStaleSparesOthers starts look-alikes: another run, a longer value, the value in an argument, one variable of two.
func TestKillStaleSparesOthers(t *testing.T) {
	t.Parallel()
	runID := NewRunID()
	var others []*Process
	for _, env := range [][]string{
		{Marker + "=" + NewRunID()},
		{Marker + "=" + runID + "0"},
		{"X" + Marker + "=" + runID},
		{"OTHER=" + Marker + "=" + runID},
		{Marker + "=" + runID},
		{Marker + "=" + runID, Marker + "=" + runID},
	} {
		p, err := Start(Config{Command: []string{"sleep", "1000"}, Env: append(os.Environ(), env...)})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Kill()
		others = append(others, p)
	}
	mine, err := Start(Config{Command: []string{"sleep", "1000"}, Env: append(os.Environ(), Marker+"="+runID, "A=1")})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := KillStale(runID, "A=1"); err != nil || n != 1 {
		t.Fatalf("killed %d: %v, want 1", n, err)
	}
	if e := mine.Exit(); e.Signal != "SIGKILL" {
		t.Fatalf("mine: %v", e)
	}
	for i, p := range others {
		select {
		case <-p.Done():
			t.Errorf("look-alike %d was killed", i)
		default:
		}
	}
	for _, bad := range []string{"", "x", runID[:31], strings.Repeat("z", 32)} {
		if _, err := KillStale(bad); err == nil {
			t.Errorf("run id %q was accepted", bad)
		}
	}
}

func TestGuardOutlivesSignals(t *testing.T) {
	t.Parallel()
	g, err := StartGuard(GuardConfig{RunID: NewRunID(), OnRestart: func(error) { t.Error("the guard died") }})
	if err != nil {
		t.Fatal(err)
	}
	// It ignores signals once it runs, which the kernel shows.
	waittest.Eventually(t, func() error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.PID()))
		if err != nil {
			return err
		}
		if !ignoresTerm(status) {
			return errors.New("the guard does not ignore SIGTERM yet")
		}
		return nil
	})
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(g.PID(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// ignoresTerm reads the mask of ignored signals from /proc/PID/status.
func ignoresTerm(status []byte) bool {
	for line := range strings.Lines(string(status)) {
		if mask, ok := strings.CutPrefix(line, "SigIgn:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && bits&(1<<(syscall.SIGTERM-1)) != 0
		}
	}
	return false
}

// TestGuardRefusesRecursion is the case of a main that does not call RunGuard.
func TestGuardRefusesRecursion(t *testing.T) {
	cmd := exec.Command(os.Args[0], parentArg, NewRunID())
	cmd.Env = append(os.Environ(), guardEnv+"=1")
	out, _ := cmd.CombinedOutput()
	if !strings.Contains(string(out), "does not call RunGuard") {
		t.Fatalf("got %q", out)
	}
}

// TestGuardSparesReusedGroup announces a group under a birth that is not its leader's.
func TestGuardSparesReusedGroup(t *testing.T) {
	t.Parallel()
	p, err := Start(Config{Command: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	killGroups(map[int]birth{p.PID(): "1"})
	select {
	case <-p.Done():
		t.Fatal("killed a group that was not announced")
	default:
	}
	killGroups(map[int]birth{p.PID(): birthOf(p.PID())})
	if e := p.Exit(); e.Signal != "SIGKILL" {
		t.Fatal(e)
	}
}

func TestRunGuardIgnoresJunk(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{
		"\n+\n-\n+x\n+0\n+1\n+-5\n?7\n=" + NewRunID() + "\n": 0,
		"+999999999\n": 1, // no run id
	} {
		// In a process of its own: ignored signals would be inherited by the children of all other tests.
		cmd := exec.Command(os.Args[0], GuardArg)
		cmd.Stdin = strings.NewReader(in)
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != want {
			t.Errorf("%q: %v, want code %d", in, err, want)
		}
	}
}

// noneLeft returns an error while a process carries the marker.
func noneLeft(runID string) error {
	found, err := marked([][]byte{[]byte(Marker + "=" + runID)})
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%d processes carry the marker: %v", len(found), found)
	}
	return err
}
