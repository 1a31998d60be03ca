package process

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes put the child into its own group and let it die with us.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// wait waits for the child and reaps it. over is called while the child is a zombie: until it is reaped nobody else gets its
// id, so over may still signal its group.
func wait(cmd *exec.Cmd, over func()) error {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	over()
	return cmd.Wait()
}
