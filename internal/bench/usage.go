package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of processor times in /proc. It has been the same on every Linux for decades.
const clockTick = 10 * time.Millisecond

// stat returns the fields of /proc/PID/stat that follow the name, the state being the first; nil if there is no process.
func stat(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 13 {
		return nil
	}
	return fields
}

// cpuOf is the processor time a process has used so far.
func cpuOf(pid int) time.Duration {
	fields := stat(pid)
	if fields == nil {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick
}

// memoryOf is a figure of /proc/PID/status in MiB: VmRSS is what is resident now, VmHWM the most there ever was.
func memoryOf(pid int, name string) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kib) / 1024
		}
	}
	return 0
}

// kernelTCP is the memory in MiB that the kernel has for what is in TCP connections of this machine, both ways.
func kernelTCP() float64 {
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "TCP:" {
			pages, _ := strconv.Atoi(fields[len(fields)-1])
			return float64(pages) * float64(os.Getpagesize()) / (1 << 20)
		}
	}
	return 0
}

// familyOf is a process and everything that descends from it.
func familyOf(pid int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields := stat(child); fields != nil {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], child)
		}
	}
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
	}
	return family
}

// cpuOfAll is the processor time of many processes.
func cpuOfAll(pids []int) (sum time.Duration) {
	for _, pid := range pids {
		sum += cpuOf(pid)
	}
	return sum
}

// percent is the share of one core that processes use within a time.
func percent(pids []int, within time.Duration) float64 {
	before := cpuOfAll(pids)
	time.Sleep(within)
	return 100 * (cpuOfAll(pids) - before).Seconds() / within.Seconds()
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// cpu is the processor time the process has used so far.
func (c *child) cpu() time.Duration { return cpuOf(c.pid()) }
