package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// GuardArg is the hidden argument that makes our own program a guard. A program that starts guards must begin its main with
//
//	if len(os.Args) == 2 && os.Args[1] == process.GuardArg {
//		os.Exit(process.RunGuard(os.Stdin))
//	}
const GuardArg = "__guard"

// guardEnv is set in a guard's environment: a program that forgot to call RunGuard fails instead of starting guards for
// ever.
const guardEnv = "PELTON_GUARD"

// GuardConfig configures a Guard.
type GuardConfig struct {
	RunID     string          // from NewRunID; also kept in the state file, for KillStale at the next start
	Command   []string        // the helper's command; nil runs our own program with GuardArg
	OnRestart func(err error) // told when the helper died and was started again (nil), or could not be
}

// Guard is the way to a helper process that outlives us and then leaves nothing of ours behind.
//
// The helper reads a pipe whose only writer is this process: when we die, by whatever cause, it sees the end of the file,
// kills every process group it was told of, and then every process whose environment carries our marker, PELTON_RUN_ID with
// this run's random id, until none is left. The marker is inherited by all descendants, so it also finds those that left
// their group and those that we had no time to announce. It lives in its own session: Ctrl-C does not reach it.
//
// A descendant that clears its environment and starts its own session escapes; nothing short of a cgroup holds it.
type Guard struct {
	cfg  GuardConfig
	done chan struct{} // closed when watch is over

	mu     sync.Mutex // guards all below
	groups map[int]struct{}
	helper *exec.Cmd
	pipe   *os.File
	closed bool
}

// StartGuard starts the helper. Close ends it.
func StartGuard(cfg GuardConfig) (*Guard, error) {
	if err := validRunID(cfg.RunID); err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	if os.Getenv(guardEnv) != "" {
		return nil, errors.New("start guard: this program is a guard, but its main does not call RunGuard")
	}
	g := &Guard{cfg: cfg, done: make(chan struct{}), groups: map[int]struct{}{}}
	if err := g.start(); err != nil {
		return nil, err
	}
	go g.watch()
	return g, nil
}

// RunID returns the marker's value.
func (g *Guard) RunID() string { return g.cfg.RunID }

// PID returns the process id of the helper.
func (g *Guard) PID() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.helper.Process.Pid
}

// start starts a helper and tells it everything known.
func (g *Guard) start() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start guard: %w", err)
	}
	cmd := guardCommand(g.cfg.Command)
	cmd.Stdin = r
	err = cmd.Start()
	_ = r.Close()
	if err != nil {
		_ = w.Close()
		return fmt.Errorf("start guard: %w", cause(err))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.helper, g.pipe = cmd, w
	if g.closed { // while a new helper was on its way: it ends at once
		g.closePipe()
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "=%s\n", g.cfg.RunID)
	for id := range g.groups {
		fmt.Fprintf(&b, "+%d\n", id)
	}
	g.tell(b.Bytes())
	return nil
}

// guardCommand prepares the helper: its own session, nothing inherited but the pipe, and no marker of an outer run.
func guardCommand(command []string) *exec.Cmd {
	cmd := &exec.Cmd{Path: ownProgram(), Args: []string{os.Args[0], GuardArg}, Dir: "/"}
	if len(command) > 0 {
		cmd = exec.Command(command[0], command[1:]...)
	}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, Marker+"=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, guardEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// guardBackoff spaces the restarts of a helper.
const guardBackoff = 200 * time.Millisecond

// watch starts a new helper at once whenever one dies before Close, and then rests a little, should that one die too.
func (g *Guard) watch() {
	defer close(g.done)
	for {
		g.mu.Lock()
		helper := g.helper
		g.mu.Unlock()
		_ = helper.Wait()
		for err := errNoHelper; err != nil; time.Sleep(guardBackoff) {
			if g.retire() {
				return
			}
			err = g.start()
			if g.cfg.OnRestart != nil {
				g.cfg.OnRestart(err)
			}
		}
	}
}

// errNoHelper is why a helper must be started.
var errNoHelper = errors.New("guard has no helper")

// retire closes the pipe of a dead helper and returns whether the guard is closed.
func (g *Guard) retire() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closePipe()
	return g.closed
}

// closePipe is the end of the file for the helper. The caller holds mu.
func (g *Guard) closePipe() {
	if g.pipe != nil {
		_ = g.pipe.Close()
		g.pipe = nil
	}
}

// tellPatience bounds a write to a helper that does not read. Its pipe holds thousands of lines before that happens.
const tellPatience = 200 * time.Millisecond

// tell writes to the helper. One that does not take it is killed: watch starts another, which is told everything.
func (g *Guard) tell(line []byte) {
	if g.pipe == nil {
		return
	}
	_ = g.pipe.SetWriteDeadline(time.Now().Add(tellPatience))
	if _, err := g.pipe.Write(line); err != nil {
		_ = g.helper.Process.Kill()
	}
}

// add announces a process group.
func (g *Guard) add(pgid int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups[pgid] = struct{}{}
	g.tell([]byte("+" + strconv.Itoa(pgid) + "\n"))
}

// remove withdraws a group that is over. It is called before the leader is reaped, so that the helper never holds an id that
// somebody else may get.
func (g *Guard) remove(pgid int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.groups, pgid)
	g.tell([]byte("-" + strconv.Itoa(pgid) + "\n"))
}

// closePatience bounds the wait for a helper that cleans up after Close.
const closePatience = 10 * time.Second

// Close lets the helper do its work, kill whatever still carries the marker, and waits for its end.
func (g *Guard) Close() error {
	g.mu.Lock()
	g.closed = true
	g.closePipe()
	g.mu.Unlock()
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case <-g.done:
		return nil
	case <-timer.C:
	}
	g.mu.Lock()
	_ = g.helper.Process.Kill()
	g.mu.Unlock()
	<-g.done
	return errors.New("close guard: it did not end by itself and was killed")
}
