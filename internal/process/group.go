package process

import (
	"syscall"
	"time"
)

// groupPatience bounds the wait for a killed group to vanish: what survives SIGKILL that long is stuck in the kernel.
const groupPatience = time.Second

// killGroup kills every member of a process group.
func killGroup(pgid int) { _ = syscall.Kill(-pgid, syscall.SIGKILL) }

// awaitGroup returns when no member of a killed group lives any more. SIGKILL is not instant; almost always the first look
// is enough. Signal 0 harms nobody should the id be in use again, and any error means that no member of ours is left.
func awaitGroup(pgid int) {
	pause := 50 * time.Microsecond
	for end := time.Now().Add(groupPatience); time.Now().Before(end); pause = min(2*pause, 10*time.Millisecond) {
		reapGroup(pgid)
		if syscall.Kill(-pgid, 0) != nil || !groupLives(pgid) {
			return
		}
		time.Sleep(pause)
	}
}

// reapGroup reaps members that have become our children because we are the first process of a container.
func reapGroup(pgid int) {
	for {
		if pid, err := syscall.Wait4(-pgid, nil, syscall.WNOHANG, nil); err != nil || pid <= 0 {
			return
		}
	}
}
