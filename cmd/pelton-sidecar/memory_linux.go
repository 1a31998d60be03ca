package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseStartPages unmaps the pages of our own program file that starting has touched, code and constants: most of them are
// never needed again. What is needed is mapped again by a soft fault, from the page cache. It lowers the resident size of a
// sidecar, of which a node has many, by a third. Failing does no harm.
func releaseStartPages() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	span := "" // of the mapping that the lines are about, if it is one of the file's that nobody can write
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) > 1 && !strings.HasSuffix(fields[0], ":"):
			span = ""
			if len(fields) == 6 && fields[5] == self && fields[1][1] == '-' {
				span = fields[0]
			}
		case len(fields) > 1 && fields[0] == "Anonymous:" && fields[1] == "0" && span != "":
			// Else it was changed before it was protected (relocations), and the file does not have those pages.
			unmapPages(span)
		}
	}
}

// unmapPages gives up a range as /proc/self/smaps writes it.
func unmapPages(span string) {
	low, high, _ := strings.Cut(span, "-")
	start, err1 := strconv.ParseUint(low, 16, 64)
	end, err2 := strconv.ParseUint(high, 16, 64)
	if err1 != nil || err2 != nil {
		return
	}
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED)
}
