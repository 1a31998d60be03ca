// Package process owns one child process: started in its own process group, stopped and killed as a group, its exit turned
// into data. It also owns the guard, the helper that leaves no process behind when this one is killed.
//
// It knows nothing of functions, events or restarts. A Process is over when Done is closed: by then the child is reaped,
// everything left in its group was killed, and its output was read. A child that moved to a session of its own is out of
// the group's reach; the marker in its environment finds it (see Guard and KillStale).
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// drainDelay bounds how long the output of a finished process is still read when something else holds its pipes open.
const drainDelay = 500 * time.Millisecond

// Config says what to start.
type Config struct {
	Command []string // program and arguments
	Path    string   // the program's file if already resolved by LookPath; empty resolves Command[0]
	Dir     string   // working directory; empty is ours
	Env     []string // KEY=VALUE; nil is our own environment

	Stdin  io.Reader // nil is /dev/null
	Stdout io.Writer // nil is /dev/null; a writer that is slow slows the child
	Stderr io.Writer

	Guard *Guard // nil: the child is unmarked, and only its parent-death signal protects against orphans
}

// Process is a started child. Its methods are safe for concurrent use.
type Process struct {
	cmd     *exec.Cmd
	guard   *Guard
	started time.Time
	done    chan struct{} // closed by run once everything is over

	mu   sync.Mutex // guards gone; held while signalling, so that no signal goes to a reused process id
	gone bool       // the leader is about to be reaped: its id must not be used any more
	exit Exit       // written before done is closed
}

// Start starts a child in a process group of its own.
func Start(cfg Config) (*Process, error) {
	cmd, err := command(cfg)
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, guard: cfg.Guard, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %q: %w", cfg.Command[0], explain(cmd, cause(err)))
	}
	return p, nil
}

// command builds the exec.Cmd of cfg.
func command(cfg Config) (*exec.Cmd, error) {
	if len(cfg.Command) == 0 || cfg.Command[0] == "" {
		return nil, errors.New("start process: the command is empty")
	}
	env := cfg.Env
	if env == nil {
		env = os.Environ()
	}
	path := cfg.Path
	if path == "" {
		var err error
		if path, err = LookPath(cfg.Command[0], cfg.Dir, env); err != nil {
			return nil, err
		}
	}
	return &exec.Cmd{
		Path: path, Args: cfg.Command, Dir: cfg.Dir, Env: cfg.Guard.mark(env),
		Stdin: cfg.Stdin, Stdout: cfg.Stdout, Stderr: cfg.Stderr,
		SysProcAttr: attributes(), WaitDelay: drainDelay,
	}, nil
}

// cause strips what os/exec puts around an errno: the caller's message names the program already.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// explain says what the kernel's answer leaves open.
func explain(cmd *exec.Cmd, err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		if _, dirErr := os.Stat(cmd.Dir); cmd.Dir != "" && dirErr != nil {
			return fmt.Errorf("working directory %s: %w", cmd.Dir, cause(dirErr))
		}
		if _, fileErr := os.Stat(cmd.Path); fileErr == nil {
			return fmt.Errorf("%s: the interpreter in its first line does not exist: %w", cmd.Path, err)
		}
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%s: %w (not a program for this machine, or a script without a #! line)", cmd.Path, err)
	}
	return err
}

// run starts the child and waits for it. The death signal of a child is tied to the thread that created it, so both happen
// on one locked thread; the wait would occupy a thread anyway.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	pid := p.cmd.Process.Pid
	p.guard.add(pid)
	started <- nil

	var uptime time.Duration
	err := wait(p.cmd, func() {
		uptime = time.Since(p.started)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.gone = true
		killGroup(pid)
		p.guard.remove(pid)
	})
	awaitGroup(pid)
	p.exit = exitOf(p.cmd.ProcessState, err, uptime)
	close(p.done)
}

// PID returns the process id, which is also the id of the process group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Started returns when the child was spawned.
func (p *Process) Started() time.Time { return p.started }

// Done is closed when the process is over.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit returns how the process ended. It waits until it has.
func (p *Process) Exit() Exit {
	<-p.done
	return p.exit
}

// Stop asks the group to end with SIGTERM, kills it after grace, and returns when the process is over.
func (p *Process) Stop(grace time.Duration) Exit {
	p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.Kill()
	}
	return p.Exit()
}

// Kill sends SIGKILL to the group. It does not wait.
func (p *Process) Kill() { p.Signal(syscall.SIGKILL) }

// Signal sends s to the whole group, unless the process is over.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		_ = syscall.Kill(-p.PID(), s) // the only failure is a group that has just ended
	}
}
