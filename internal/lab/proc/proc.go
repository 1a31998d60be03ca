// Package proc reads what Linux tells in /proc: processes, who holds a port, what is mounted.
//
// It changes nothing and keeps nothing. Where there is no /proc, what it is asked for is not found.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Process is one process at one moment.
type Process struct {
	PID, Parent int
	// Command is the kernel's short name of the program.
	Command string
	// Started is in clock ticks since boot. With the pid it names one process of this boot; a reused pid differs in it.
	Started uint64
	// Dead is a process that has ended and that its parent has not yet looked at.
	Dead bool
}

// Read returns a process. A process that does not exist is an fs.ErrNotExist.
func Read(pid int) (Process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	p, err := parseStat(string(text))
	if err != nil {
		return Process{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return p, nil
}

// The fields of /proc/PID/stat that follow the command: state is field 3, ppid 4 and starttime 22.
const (
	stateField   = 0
	parentField  = 4 - 3
	startedField = 22 - 3
)

// parseStat takes the command by its last parenthesis: a program may have spaces and parentheses in its name.
func parseStat(text string) (Process, error) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return Process{}, fmt.Errorf("no command in %q", text)
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) <= startedField {
		return Process{}, fmt.Errorf("%d fields in %q", len(fields), text)
	}
	p := Process{Command: text[open+1 : end], Dead: strings.Contains("ZXx", fields[stateField])}
	var err error
	if p.PID, err = strconv.Atoi(strings.TrimSpace(text[:open])); err != nil {
		return Process{}, err
	}
	if p.Parent, err = strconv.Atoi(fields[parentField]); err != nil {
		return Process{}, err
	}
	p.Started, err = strconv.ParseUint(fields[startedField], 10, 64)
	return p, err
}

// All returns every process that lives, in the order of their ids.
func All() []Process {
	var all []Process
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if p, err := Read(pid); err == nil && !p.Dead {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b Process) int { return a.PID - b.PID })
	return all
}

// Environment reports whether a process was started with a variable KEY=VALUE.
func Environment(pid int, variable string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && slices.ContainsFunc(bytes.Split(text, []byte{0}), func(kv []byte) bool {
		return string(kv) == variable
	})
}

// Boot identifies this boot of the machine: pids and start times of another one mean nothing.
func Boot() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Mounts returns the mount points under a directory, the deepest and newest first: the order in which they can be unmounted.
func Mounts(dir string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	return mountsUnder(string(text), dir), nil
}

func mountsUnder(mountinfo, dir string) []string {
	var under []string
	for line := range strings.Lines(mountinfo) {
		const mountPoint = 4
		if fields := strings.Fields(line); len(fields) > mountPoint {
			if path := unescape(fields[mountPoint]); strings.HasPrefix(path, dir+"/") {
				under = append(under, path)
			}
		}
	}
	slices.Reverse(under)
	slices.SortStableFunc(under, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	return under
}

// unescape undoes how the kernel writes spaces and the like: a backslash and three octal digits.
func unescape(s string) string {
	for i := 0; i+3 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
			s = s[:i] + string([]byte{byte(n)}) + s[i+4:]
		}
	}
	return s
}
