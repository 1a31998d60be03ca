package cli

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portHolder says who listens on a TCP port: "pid 4242 (nats-server -js)", or "" if that cannot be seen.
func portHolder(port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		addListeners(table, port, inodes)
	}
	if len(inodes) == 0 {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		link, err := os.Readlink(fd)
		if err != nil || !inodes[strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")] {
			continue
		}
		pid, _, _ := strings.Cut(strings.TrimPrefix(fd, "/proc/"), "/")
		return fmt.Sprintf("pid %s (%s)", pid, commandOf(pid))
	}
	return "a process of another user"
}

// addListeners reads the sockets that listen on the port from a table of the kernel.
func addListeners(table string, port int, inodes map[string]bool) {
	file, err := os.Open(table)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	const listening, local, state, inode = "0A", 1, 3, 9
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[state] != listening {
			continue
		}
		_, hex, _ := strings.Cut(fields[local], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
			inodes[fields[inode]] = true
		}
	}
}

func commandOf(pid string) string {
	line, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err != nil {
		return "unknown"
	}
	return oneLine(strings.ReplaceAll(string(line), "\x00", " "), 60)
}
