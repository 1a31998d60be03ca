package process

import (
	"bufio"
	"io"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sweepPatience bounds the helper's work: what survives SIGKILL that long is stuck in the kernel.
const sweepPatience = 30 * time.Second

// RunGuard is the helper's main. It reads announcements from r until its end, which is the death of the process that writes
// them, then kills what was announced and what carries the marker, and returns the exit code.
//
// The lines are "=RUNID", "+GROUP" and "-GROUP". Any other line is ignored.
func RunGuard(r io.Reader) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	runID := ""
	groups := map[int]birth{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if id, ok := strings.CutPrefix(line, "="); ok {
			runID = id
			continue
		}
		sign, digits := line[:min(1, len(line))], line[min(1, len(line)):]
		pgid, err := strconv.Atoi(digits)
		if err != nil || pgid <= 1 {
			continue
		}
		switch sign {
		case "+":
			groups[pgid] = birthOf(pgid)
		case "-":
			delete(groups, pgid)
		}
	}
	killGroups(groups)
	if validRunID(runID) != nil {
		return 1
	}
	if _, err := sweep(runID, nil, sweepPatience); err != nil {
		return 1
	}
	return 0
}

// killGroups kills every announced group, except one whose leader is now another process than the one that was announced.
// A group whose leader is gone keeps its id from reuse as long as it has members.
func killGroups(groups map[int]birth) {
	for pgid, b := range groups {
		if now := birthOf(pgid); now == b || now == unborn {
			killGroup(pgid)
		}
	}
}
