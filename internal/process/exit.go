package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exit is how a process ended.
type Exit struct {
	Code   int           // exit status; -1 if a signal ended it
	Signal string        // name of the signal that ended it, such as SIGKILL; else empty
	Uptime time.Duration // from its start to its end
	Err    error         // an error while feeding its input or reading its output; nil almost always
}

// String describes the exit for people.
func (e Exit) String() string {
	up := e.Uptime.Round(time.Millisecond)
	if e.Signal != "" {
		return fmt.Sprintf("killed by %s after %v", e.Signal, up)
	}
	return fmt.Sprintf("exit status %d after %v", e.Code, up)
}

// exitOf turns what os/exec says into an Exit.
func exitOf(state *os.ProcessState, err error, uptime time.Duration) Exit {
	e := Exit{Code: -1, Uptime: uptime}
	if state != nil {
		e.Code = state.ExitCode()
		if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			e.Signal = unix.SignalName(ws.Signal())
		}
	}
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) && !errors.Is(err, exec.ErrWaitDelay) {
		e.Err = err
	}
	return e
}
