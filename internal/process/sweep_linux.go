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
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	self := os.Getpid()
	return slices.DeleteFunc(pids, func(pid int) bool { return pid <= 1 || pid == self || !carries(pid, want) }), nil
}

// processes lists the ids of all processes.
func processes() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
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

// kill kills one marked process. The descriptor pins the process before its marker is read again: should the id have passed
// to another process since the scan, that one does not carry the marker, and is left alone.
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

// birthOf returns when a process was born; unborn if there is none.
func birthOf(pid int) birth {
	const startTime = 22 - statOffset
	if fields := statOf(pid); len(fields) > startTime {
		return birth(fields[startTime])
	}
	return unborn
}

// statOffset is the number of the first field that statOf returns.
const statOffset = 3

// statOf reads the fields of /proc/PID/stat behind the name, which is in parentheses and may hold anything.
func statOf(pid int) [][]byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
}

// groupLives reports whether a group has a member that is more than a zombie: some containers have nobody who reaps those.
func groupLives(pgid int) bool {
	const state, group = 3 - statOffset, 5 - statOffset
	want := strconv.Itoa(pgid)
	pids, err := processes()
	for _, pid := range pids {
		if f := statOf(pid); len(f) > group && string(f[group]) == want && f[state][0] != 'Z' && f[state][0] != 'X' {
			return true
		}
	}
	return err != nil
}
