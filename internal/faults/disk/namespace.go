package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// insideVariable says that this process has mounts of its own.
const insideVariable = "PELTON_DISK_INSIDE"

// ErrNoRoot says that file systems cannot be mounted here.
var ErrNoRoot = errors.New("not root: file systems cannot be mounted")

// OwnMounts runs this program again with mounts that no other process sees and that end with it, and returns its exit code.
// Inside of that it reports false, and the program goes on.
func OwnMounts(ctx context.Context) (code int, outside bool, err error) {
	if os.Getenv(insideVariable) != "" {
		return 0, false, nil
	}
	if os.Geteuid() != 0 {
		return 0, true, ErrNoRoot
	}
	self, err := os.Executable()
	if err != nil {
		return 0, true, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, true, fmt.Errorf("run with mounts of its own: %w", err)
	}
	return cmd.ProcessState.ExitCode(), true, nil
}
