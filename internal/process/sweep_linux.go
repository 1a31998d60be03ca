package process

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ownProgram is our own program even if its file was replaced or removed since it started.
func ownProgram() string { return "/proc/self/exe" }

// cleanScans is how many scans in a row must find nothing. One is not enough: a process in the middle of an exec shows no
// environment for an instant, and a fork may land behind the scan.
const cleanScans = 3

// sweep kills every process that carries the marker and vars until none is left, and counts those it killed.
func sweep(runID string, vars []string, patience time.Duration) (int, error) {
	want := [][]byte{[]byte(Marker + "=" + runID)}
	for _, v := range vars {
		want = append(want, []byte(v))
	}
	killed := map[int]bool{}
	pause := time.Millisecond
	end := time.Now().Add(patience)
	for clean := 0; clean < cleanScans; {
		found, err := marked(want)
		if err != nil {
			return len(killed), err
		}
		clean++
		for _, pid := range found {
			clean = 0
			kill(pid, want)
			killed[pid] = true
		}
		if time.Now().After(end) {
			return len(killed), fmt.Errorf("processes %v survive SIGKILL", found)
		}
		time.Sleep(pause)
		pause = min(2*pause, 100*time.Millisecond)
	}
	return len(killed), nil
}

// marked lists the live processes that carry every wanted variable, except us.
func marked(want [][]byte) ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	self := os.Getpid()
	var found []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err == nil && pid > 1 && pid != self && carries(pid, want) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// carries returns whether a process carries every wanted variable. A zombie has no environment.
func carries(pid int, want [][]byte) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || len(env) == 0 {
		return false
	}
	vars := bytes.Split(env, []byte{0})
	for _, w := range want {
		if !slices.ContainsFunc(vars, func(kv []byte) bool { return bytes.Equal(kv, w) }) {
			return false
		}
	}
	return true
}

// kill kills one marked process. The descriptor pins the process before its marker is read again: should the id have passed to
// another process since the scan, that one does not carry the marker, and is left alone.
func kill(pid int, want [][]byte) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ENOSYS {
		if carries(pid, want) {
			_ = unix.Kill(pid, unix.SIGKILL) // before Linux 5.3: an instant in which the id could pass on
		}
		return
	}
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(fd) }()
	if carries(pid, want) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// birth tells processes with the same id apart: the start time in clock ticks.
type birth string

// unborn is the birth of no process.
const unborn birth = ""

// birthOf reads field 22 of /proc/PID/stat. The second field is the name in parentheses and may hold anything.
func birthOf(pid int) birth {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return unborn
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const startTime = 22 - 3
	if len(fields) <= startTime {
		return unborn
	}
	return birth(fields[startTime])
}
