// Command pelton is the command line of Pelton and its one-machine mode.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pelton-dev/pelton/internal/cli"
	"github.com/pelton-dev/pelton/internal/process"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == process.GuardArg {
		os.Exit(process.RunGuard(os.Stdin))
	}
	os.Exit(cli.Run(signalContext(), cli.Config{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
	}))
}

// signalContext ends with the first SIGINT or SIGTERM. A second one ends the process at once.
func signalContext() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		cancel(&cli.SignalError{Signal: <-signals})
		if <-signals == syscall.SIGTERM {
			os.Exit(cli.ExitTerminated)
		}
		os.Exit(cli.ExitInterrupted)
	}()
	return ctx
}
