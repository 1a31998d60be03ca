// Package execcall calls a handler that is any program: one process per event, the data on its standard input, the
// attributes in its environment, the reply on its standard output, the outcome in its exit status.
//
// The exit status 0 is Done, 75 (EX_TEMPFAIL) Retry, 65 (EX_DATAERR) Reject, and every other one Retry, with the last
// lines of standard error as the reason. It knows process, which ends every program as a group; when Invoke returns, the
// program and all it started in its group are gone. Close kills what still runs.
package execcall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/process"
)

var _ invoke.Invoker = (*Invoker)(nil)

// lookupPause is how often WaitReady looks for a program that does not exist.
const lookupPause = time.Second

// Config says what to run.
type Config struct {
	Command     []string // program and arguments
	Dir         string
	Env         []string       // KEY=VALUE; nil is our own environment
	MaxResponse int            // bytes of standard output; default invoke.DefaultMaxResponse
	Guard       *process.Guard // kills the programs when we die; may be nil
	Stderr      io.Writer      // also gets what programs write to standard error, of several calls at once; may be nil
}

// Invoker runs one program per call.
type Invoker struct {
	cfg Config

	// ctx ends when the invoker closes. It cuts calls and waiting.
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // Add only under mu and before closed is set
	path   string         // the program's file once it was found
}

// New returns an invoker for the command. It does not look for the program yet.
func New(cfg Config) (*Invoker, error) {
	if len(cfg.Command) == 0 || cfg.Command[0] == "" {
		return nil, errors.New("configure exec invoker: command: must be set")
	}
	if cfg.MaxResponse < 0 {
		return nil, fmt.Errorf("configure exec invoker: max response %d: must not be negative", cfg.MaxResponse)
	}
	cfg.MaxResponse = cmp.Or(cfg.MaxResponse, invoke.DefaultMaxResponse)
	if cfg.Env == nil {
		cfg.Env = os.Environ()
	}
	cfg.Env = withoutCallVariables(cfg.Env)
	i := &Invoker{cfg: cfg}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	return i, nil
}

// WaitReady returns once the program exists. While it does not, it is looked for every second.
func (i *Invoker) WaitReady(ctx context.Context) error {
	if err := i.enter(); err != nil {
		return invoke.NotReady(err)
	}
	defer i.calls.Done()
	for {
		_, err := i.program()
		if err == nil {
			return nil
		}
		select {
		case <-i.ctx.Done():
			return fmt.Errorf("wait for handler: %w: %w", invoke.ErrClosed, err)
		case <-ctx.Done():
			return fmt.Errorf("wait for handler: %w: %w", ctx.Err(), err)
		case <-time.After(lookupPause):
		}
	}
}

// Invoke runs the program for one event.
func (i *Invoker) Invoke(ctx context.Context, call *invoke.Call) (invoke.Outcome, error) {
	if err := i.enter(); err != nil {
		return invoke.Outcome{}, invoke.NotReady(err)
	}
	defer i.calls.Done()
	if err := invoke.Begin(ctx, call); err != nil {
		return invoke.Outcome{}, err
	}
	env, err := callEnv(i.cfg.Env, call)
	if err != nil {
		return invoke.Outcome{Kind: invoke.Reject, Reason: invoke.Text(err.Error())}, nil
	}
	in, err := inputOf(ctx, call)
	if err != nil {
		return invoke.Outcome{}, invoke.NotReady(err)
	}
	defer in.end()
	r, err := i.startProgram(i.cfg, env, in)
	switch {
	case errors.Is(err, syscall.E2BIG):
		return invoke.Outcome{Kind: invoke.Reject, Reason: "the attributes are too large for an environment"}, nil
	case err != nil:
		return invoke.Outcome{}, invoke.NotReady(err)
	}
	if err := r.wait(ctx, i.ctx, call.Deadline); err != nil {
		return invoke.Outcome{}, err
	}
	return r.outcome()
}

// startProgram starts the program with something on its standard input.
func (i *Invoker) startProgram(cfg Config, env []string, in *input) (*run, error) {
	path, err := i.program()
	if err != nil {
		return nil, err
	}
	r, err := startRun(cfg, path, env, in)
	if err != nil {
		i.forget()
	}
	return r, err
}

// program finds the program's file. It is looked for once, because that can be dear where a version manager is asked.
func (i *Invoker) program() (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.path != "" {
		return i.path, nil
	}
	path, err := process.LookPath(i.cfg.Command[0], i.cfg.Dir, i.cfg.Env)
	i.path = path
	return path, err
}

// forget makes the next call look for the program again.
func (i *Invoker) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.path = ""
}

// enter begins a call or a wait; calls.Done ends it.
func (i *Invoker) enter() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return invoke.ErrClosed
	}
	i.calls.Add(1)
	return nil
}

// Close kills the programs that still run and waits until they are gone.
func (i *Invoker) Close() error {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.cancel()
	i.calls.Wait()
	return nil
}
