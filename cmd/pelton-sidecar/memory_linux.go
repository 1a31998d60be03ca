package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseStartCode unmaps the pages of our own code that starting has touched: most of it never runs again. What does run is
// mapped again by a soft fault, from the page cache. It lowers the resident size of an idle sidecar, of which a node has
// many. Failing does no harm.
func releaseStartCode() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		// Only code: what else is read-only may have been changed before it was protected (relocations), and would be lost.
		if len(fields) == 6 && fields[5] == self && fields[1] == "r-xp" {
			unmapPages(fields[0])
		}
	}
}

// unmapPages gives up a range as /proc/self/maps writes it.
func unmapPages(span string) {
	low, high, _ := strings.Cut(span, "-")
	start, err1 := strconv.ParseUint(low, 16, 64)
	end, err2 := strconv.ParseUint(high, 16, 64)
	if err1 != nil || err2 != nil {
		return
	}
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED)
}
