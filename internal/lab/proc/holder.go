package proc

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listening is how /proc/net/tcp writes the state of a socket that accepts connections.
const listening = "0A"

// Holder says who listens on a TCP port, such as "nginx (pid 12)", or "" if nobody does.
func Holder(port int) string {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table) // without IPv6 there is no second table
		for _, inode := range listeners(string(text), port) {
			sockets["socket:["+inode+"]"] = true
		}
	}
	if len(sockets) == 0 {
		return ""
	}
	return cmp.Or(owner(sockets), "a process of another user or container")
}

// listeners returns the inodes of the sockets of a /proc/net/tcp table that listen on port.
func listeners(table string, port int) []string {
	const address, state, inode = 1, 3, 9
	var inodes []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) <= inode || fields[state] != listening {
			continue
		}
		_, hexPort, _ := strings.Cut(fields[address], ":")
		if n, err := strconv.ParseUint(hexPort, 16, 16); err == nil && int(n) == port {
			inodes = append(inodes, fields[inode])
		}
	}
	return inodes
}

// owner names a process that has one of the sockets open.
func owner(sockets map[string]bool) string {
	for _, p := range All() {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID))
		for _, file := range files {
			if target, err := os.Readlink(file); err == nil && sockets[target] {
				return fmt.Sprintf("%s (pid %d)", p.Command, p.PID)
			}
		}
	}
	return ""
}
