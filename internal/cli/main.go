package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pelton-dev/pelton/internal/process"
)

// Main is the whole program: it runs the command line of the process and returns its exit code. With process.GuardArg the
// program is the guard that `pelton up` starts beside itself.
func Main() int {
	if len(os.Args) == 2 && os.Args[1] == process.GuardArg {
		return process.RunGuard(os.Stdin)
	}
	return Run(signalContext(), Config{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
	})
}

// doubled is how soon after the first a second signal is the same one: some programs that start us pass on to us what the
// terminal has sent us as well.
const doubled = 250 * time.Millisecond

// signalContext ends with the first SIGINT, SIGTERM or SIGHUP. A second one ends the process at once.
func signalContext() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // it is under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		cancel(&SignalError{<-signals})
		first := time.Now()
		for sig := range signals {
			if time.Since(first) < doubled {
				continue
			}
			os.Exit((&SignalError{sig}).exit())
		}
	}()
	return ctx
}
