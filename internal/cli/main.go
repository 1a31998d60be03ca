package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

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

// signalContext ends with the first SIGINT or SIGTERM. A second one ends the process at once.
func signalContext() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		cancel(&SignalError{<-signals})
		if <-signals == syscall.SIGTERM {
			os.Exit(ExitTerminated)
		}
		os.Exit(ExitInterrupted)
	}()
	return ctx
}
