package process

import (
	"syscall"
	"time"
)

// groupPatience bounds the wait for a killed group to vanish: zombies of a container without a reaping init never do.
const groupPatience = time.Second

// killGroup kills every member of a process group.
func killGroup(pgid int) { _ = syscall.Kill(-pgid, syscall.SIGKILL) }

// awaitGroup returns when a killed group has no members left. SIGKILL is not instant; almost always the first look is enough.
// Signal 0 harms nobody should the id be in use again, and any error means that no member of ours is left.
func awaitGroup(pgid int) {
	pause := 50 * time.Microsecond
	for end := time.Now().Add(groupPatience); time.Now().Before(end); pause = min(2*pause, 10*time.Millisecond) {
		if syscall.Kill(-pgid, 0) != nil {
			return
		}
		time.Sleep(pause)
	}
}
