package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// parentArg makes the test binary a stand-in for `pelton up`: it starts a guard and children until it is killed.
const parentArg = "__parent"

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == GuardArg:
		os.Exit(RunGuard(os.Stdin))
	case len(os.Args) == 3 && os.Args[1] == parentArg:
		os.Exit(runParent(os.Args[2]))
	}
	os.Exit(m.Run())
}

// family is a script whose processes use every way to outlive their parent.
const family = `
trap '' TERM INT HUP
sh -c 'trap "" TERM; while :; do sleep 1; done' &
setsid sh -c 'trap "" TERM HUP; setsid sleep 1000 & while :; do sleep 1; done' &
sleep 1000 &
echo up
while :; do sleep 1; done`

// runParent starts one family after the other until it is killed. It says when the guard and each family are there.
func runParent(runID string) int {
	guard, err := StartGuard(GuardConfig{RunID: runID})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("guard", guard.PID())
	for range 50 {
		_, err := Start(Config{Command: []string{"sh", "-c", family}, Stdout: os.Stdout, Guard: guard})
		if err != nil {
			fmt.Println("error", err)
			return 1
		}
		time.Sleep(2 * time.Millisecond) // the stand-in's pace, not a wait for anything
	}
	select {}
}

// parent is a running stand-in.
type parent struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startParent(t *testing.T, runID string) *parent {
	t.Helper()
	cmd := exec.Command(os.Args[0], parentArg, runID)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if _, err := KillStale(runID); err != nil {
			t.Error(err)
		}
	})
	return &parent{cmd, bufio.NewScanner(out)}
}

// await reads lines until one has the prefix, and returns what follows it.
func (p *parent) await(t *testing.T, prefix string) string {
	t.Helper()
	for p.lines.Scan() {
		if rest, ok := strings.CutPrefix(p.lines.Text(), prefix); ok {
			return strings.TrimSpace(rest)
		}
		if strings.HasPrefix(p.lines.Text(), "error") {
			t.Fatal(p.lines.Text())
		}
	}
	t.Fatalf("no %q line before the end: %v", prefix, p.lines.Err())
	return ""
}
