package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// The exit codes of every command.
const (
	ExitOK          = 0
	ExitFailed      = 1   // the operation failed
	ExitUsage       = 2   // bad flag, unknown command, missing argument
	ExitNotFound    = 3   // the thing named does not exist
	ExitConflict    = 4   // it exists already, the port is in use, another pelton holds the state
	ExitUnreachable = 5   // no NATS server or no running pelton up answered
	ExitTimeout     = 6   // what was waited for did not happen in time
	ExitInvalid     = 7   // manifests or input are not valid
	ExitHandler     = 8   // the handler did not do the event: invoke, send --wait
	ExitPartly      = 9   // some of many failed
	ExitInterrupted = 130 // SIGINT
	ExitTerminated  = 143 // SIGTERM, SIGHUP
)

// exitHelp is shown in the help of the root command.
const exitHelp = `Exit codes:
  0 ok                5 cannot reach NATS or pelton up
  1 failed            6 timeout while waiting
  2 usage             7 not valid
  3 not found         8 the handler did not do the event
  4 conflict          9 some of many failed
  130 interrupted, 143 terminated`

// Error is a command's failure: what a person is told, and the exit code.
type Error struct {
	Exit    int
	Message string // what did not work, with its object
	Cause   error  // why, if something below said so
	Hint    string // a command or an action to try
}

// Error is the message with its cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// usage is an error in how the command was called.
func usage(hint, format string, args ...any) *Error {
	return &Error{Exit: ExitUsage, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// SignalError is the cause of a context that a signal has ended.
type SignalError struct{ Signal os.Signal }

// Error names the signal.
func (e *SignalError) Error() string { return "stopped by " + e.Signal.String() }

// exit is the exit code of a command that the signal has ended. A closed terminal is a request to end like any other.
func (e *SignalError) exit() int {
	if e.Signal == syscall.SIGINT {
		return ExitInterrupted
	}
	return ExitTerminated
}

// codeNames are the codes of errors under -o json.
var codeNames = map[int]string{
	ExitFailed: "failed", ExitUsage: "usage", ExitNotFound: "not-found", ExitConflict: "conflict",
	ExitUnreachable: "unreachable", ExitTimeout: "timeout", ExitInvalid: "invalid", ExitHandler: "handler",
	ExitPartly: "partly-failed", ExitInterrupted: "interrupted", ExitTerminated: "terminated",
}

// classify turns what a command returned into an *Error. An error that no command made comes from reading the command line.
func classify(ctx context.Context, err error) *Error {
	var sig *SignalError
	if errors.As(context.Cause(ctx), &sig) && errors.Is(err, context.Canceled) {
		return &Error{Exit: sig.exit(), Message: sig.Error()}
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var f failed
	if errors.As(err, &f) {
		return &Error{Exit: ExitFailed, Message: f.Error()}
	}
	return usage("pelton --help", "%s", err)
}

// failed marks an error of a command's work, in contrast to those of the command line.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// report writes an error for people or, under -o json, as one JSON object.
func report(w io.Writer, e *Error, asJSON bool) {
	if asJSON {
		line, _ := json.Marshal(struct {
			Code    string `json:"code"`
			Exit    int    `json:"exit"`
			Message string `json:"message"`
			Hint    string `json:"hint,omitempty"`
		}{codeNames[e.Exit], e.Exit, e.Error(), e.Hint})
		fmt.Fprintf(w, "%s\n", line)
		return
	}
	fmt.Fprintf(w, "pelton: %s\n", e.Message)
	if e.Cause != nil {
		fmt.Fprintf(w, "  cause: %s\n", strings.ReplaceAll(e.Cause.Error(), "\n", "\n         "))
	}
	if e.Hint != "" {
		fmt.Fprintf(w, "  try: %s\n", e.Hint)
	}
}
