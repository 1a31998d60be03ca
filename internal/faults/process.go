package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// restartPause is how long a process stays away that ended without being told how long.
const restartPause = 100 * time.Millisecond

// exitPanic is the exit code of a Go program that panics.
const exitPanic = 2

var errAway = errors.New("it does not run")

// process is one place in the world: the program that runs there is started again whenever it ends.
type process struct {
	name string
	path string
	args []string
	env  []string
	log  *os.File

	mu      sync.Mutex // guards what follows
	cmd     *exec.Cmd  // nil while none runs
	pause   time.Duration
	hurts   bool     // a signal of ours is why it ends
	deaths  int      // by SIGKILL that was not ours
	crashes []string // ends that no signal explains
}

// keep runs the program again and again until ctx ends, and then kills it.
func (p *process) keep(ctx context.Context) error {
	for {
		cmd, err := p.start()
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // its state says it too
		stop()
		if ctx.Err() != nil {
			return nil // it is we who have ended it
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(p.ended(cmd.ProcessState)):
		}
	}
}

func (p *process) start() (*exec.Cmd, error) {
	cmd := p.command()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	p.cmd = cmd
	return cmd, nil
}

// command is the program with an environment of its own, in a group of its own so that a terminal's signals reach only us,
// and with our death as its own.
func (p *process) command() *exec.Cmd {
	cmd := exec.Command(p.path, p.args...)
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+os.Getenv(name))
	}
	cmd.Env = append(cmd.Env, p.env...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// ended notes an end and returns how long to stay away.
func (p *process) ended(state *os.ProcessState) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = nil
	if code := state.ExitCode(); code == exitPanic || code == exitBroken {
		p.crashes = append(p.crashes, fmt.Sprintf("%s: %v (see its log)", p.name, state))
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL && !p.hurts {
		p.deaths++
	}
	pause := max(p.pause, restartPause)
	p.pause, p.hurts = 0, false
	return pause
}

// crash notes what should not have happened.
func (p *process) crash(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crashes = append(p.crashes, what)
}

// hurt sends a signal; if the process ends of it, it stays away for the pause.
func (p *process) hurt(sig syscall.Signal, pause time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return errAway
	}
	p.pause, p.hurts = pause, true
	return p.cmd.Process.Signal(sig)
}

// freeze sends SIGSTOP and returns what lets the same process go on.
func (p *process) freeze() (resume func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil, errAway
	}
	frozen := p.cmd.Process
	return func() { _ = frozen.Signal(syscall.SIGCONT) }, frozen.Signal(syscall.SIGSTOP)
}

// record returns how often it died of itself, and what should not have happened.
func (p *process) record() (deaths int, crashes []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deaths, p.crashes
}

// pid is the process that runs there now.
func (p *process) pid() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0, fmt.Errorf("find %s: %w", p.name, errAway)
	}
	return p.cmd.Process.Pid, nil
}
