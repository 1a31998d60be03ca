package execcall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/process"
)

// The exit statuses with a meaning, from sysexits.h and the shell.
const (
	exitReject        = 65  // EX_DATAERR
	exitRetry         = 75  // EX_TEMPFAIL
	exitNotExecutable = 126 // what a shell says of a command it may not run
	exitNotFound      = 127 // what a shell says of a command it does not find
)

// The end of standard error that is kept for the reason.
const (
	tailLines = 10
	tailLine  = 256
)

// run is one process for one event.
type run struct {
	process *process.Process
	in      *input
	stdout  *output
	stderr  *process.Tail
}

// startRun starts the program with in on its standard input.
func startRun(cfg Config, path string, env []string, in *input) (*run, error) {
	out, err := newOutput(cfg.MaxResponse)
	if err != nil {
		return nil, err
	}
	r := &run{in: in, stdout: out, stderr: process.NewTail(tailLines, tailLine)}
	var stderr io.Writer = r.stderr
	if cfg.Stderr != nil {
		stderr = &forward{tail: r.stderr, to: cfg.Stderr}
	}
	r.process, err = process.Start(process.Config{
		Command: cfg.Command, Path: path, Dir: cfg.Dir, Env: env, Guard: cfg.Guard,
		Stdin: in.from, Stdout: out.w, Stderr: stderr,
	})
	in.started()
	if err != nil {
		out.abandon()
		return nil, err
	}
	out.follow()
	return r, nil
}

// wait waits for the end of the program. If it must not run on, the program is killed with its group, and the error says
// why.
func (r *run) wait(ctx, closing context.Context, deadline time.Time) error {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	var cut *invoke.Error
	select {
	case <-r.process.Done():
		if err := r.stdout.finish(); err != nil {
			return &invoke.Error{Code: invoke.CodeBadResponse, Err: err}
		}
		return nil
	case <-r.stdout.full:
		cut = r.tooLarge()
	case <-r.in.broken():
		cut = &invoke.Error{Code: invoke.CodeBody, Err: r.in.feed.err}
	case <-late:
		cut = &invoke.Error{Code: invoke.CodeTimeout, Err: context.DeadlineExceeded}
	case <-closing.Done():
		cut = &invoke.Error{Code: invoke.CodeCanceled, Err: invoke.ErrClosed}
	case <-ctx.Done():
		cut = invoke.Interrupted(ctx)
	}
	r.process.Kill()
	r.in.end()
	<-r.process.Done()
	_ = r.stdout.finish()
	return cut
}

func (r *run) tooLarge() *invoke.Error {
	err := fmt.Errorf("the program wrote more than %d bytes", r.stdout.max)
	return &invoke.Error{Code: invoke.CodeResponseTooLarge, Err: err}
}

// outcome is what the ended program says.
func (r *run) outcome() (invoke.Outcome, error) {
	failure, err := r.failure()
	switch {
	case err != nil:
		return invoke.Outcome{}, err
	case failure != nil:
		return *failure, nil
	}
	reply, err := parseReply(r.stdout.kept)
	return invoke.Outcome{Reply: reply}, err
}

// failure is what the exit status says if it is no success.
func (r *run) failure() (*invoke.Outcome, error) {
	exit := r.process.Exit()
	switch {
	case r.stdout.over:
		return nil, r.tooLarge()
	case exit.Signal != "":
		return nil, &invoke.Error{Code: invoke.CodeCrash, Err: errors.New(r.reason("killed by " + exit.Signal))}
	case exit.Code == 0:
		return nil, nil
	case exit.Code == exitReject:
		return &invoke.Outcome{Kind: invoke.Reject, Reason: r.reason(describe(exit.Code))}, nil
	default:
		return &invoke.Outcome{Kind: invoke.Retry, Reason: r.reason(describe(exit.Code))}, nil
	}
}

func describe(code int) string {
	switch code {
	case exitRetry:
		return "exit 75 (try again)"
	case exitReject:
		return "exit 65 (bad data)"
	case exitNotExecutable:
		return "exit 126 (a command cannot be executed)"
	case exitNotFound:
		return "exit 127 (a command was not found)"
	default:
		return fmt.Sprintf("exit %d", code)
	}
}

// reason adds the last lines of standard error, as many as fit, to what happened.
func (r *run) reason(what string) string {
	lines := r.stderr.Lines()
	text := strings.Join(lines, "\n")
	for len(lines) > 1 && len(what)+len(": ")+len(text) > invoke.MaxReason {
		lines = lines[1:]
		text = strings.Join(lines, "\n")
	}
	if strings.TrimSpace(text) == "" {
		return what
	}
	return invoke.Text(what + ": " + text)
}

// forward copies standard error. What its second reader does must not stop the program.
type forward struct {
	tail *process.Tail
	to   io.Writer
}

func (f *forward) Write(p []byte) (int, error) {
	_, _ = f.to.Write(p)
	return f.tail.Write(p)
}
