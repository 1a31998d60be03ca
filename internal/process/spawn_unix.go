//go:build unix && !linux

package process

import (
	"os/exec"
	"syscall"
)

// attributes put the child into its own group. There is no parent-death signal here: the guard alone covers our own death.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// wait waits for the child, reaps it and calls over. For an instant the group is signalled after the reap; its id would have
// to be reused within that instant to hit somebody else.
func wait(cmd *exec.Cmd, over func()) error {
	err := cmd.Wait()
	over()
	return err
}
