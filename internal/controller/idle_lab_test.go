package controller_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a controller may use for a thousand Functions that have nothing to do, and for fewer.
const (
	mostIdleCPU    = 0.05 // of a core
	mostIdleMemory = 200  // MiB resident
)

// ticksPerSecond is the unit of CPU times in /proc.
const ticksPerSecond = 100

// TestManyIdle runs the controller as it is shipped with as many Functions as PELTON_LAB_IDLE says, 1000 is what it is meant for, and
// looks what it uses for a minute in which nothing happens. KEDA takes half a second for each Function to begin with.
func TestManyIdle(t *testing.T) {
	count, err := strconv.Atoi(os.Getenv("PELTON_LAB_IDLE"))
	if err != nil || count < 1 {
		t.Skip("takes long: set PELTON_LAB_IDLE to a number of Functions, such as 1000")
	}
	r := start(t, "ctl-idle")
	r.stop()
	pid := r.startProgram()
	var all strings.Builder
	for i := range count {
		text := strings.Replace(hello(r.namespace, ""), "{name: hello,", fmt.Sprintf("{name: hello-%d,", i), 1)
		all.WriteString(strings.ReplaceAll(text, "events.hello", fmt.Sprintf("events.hello.%d", i)) + "---\n")
	}
	began := time.Now()
	r.kubectl(all.String(), "apply", "--server-side", "-f", "-")
	r.kubectl("", "-n", r.namespace, "wait", "--for=condition=Ready", "pfn", "--all", "--timeout=30m")
	t.Logf("%d Functions ready within %v; the controller used %v of CPU", count, time.Since(began).Round(time.Second), cpuOf(t, pid))

	before, since := cpuOf(t, pid), time.Now()
	select {
	case <-time.After(time.Minute): //nolint:forbidigo // the minute that is measured
	case <-t.Context().Done():
	}
	cpu := (cpuOf(t, pid) - before).Seconds() / time.Since(since).Seconds()
	memory := residentOf(t, pid)
	t.Logf("%d idle Functions: %.2f %% of a core (%.0f %% of the limit), %d MiB resident (%d %% of the limit)", count, 100*cpu,
		100*cpu/mostIdleCPU, memory, 100*memory/mostIdleMemory)
	if cpu > mostIdleCPU || memory > mostIdleMemory {
		t.Errorf("want at most %.0f %% of a core and %d MiB", 100*mostIdleCPU, mostIdleMemory)
	}
	began = time.Now() // here, as what ends a test does not take as long
	r.kubectl("", "-n", r.namespace, "delete", "pfn", "--all", "--wait=true", "--timeout=30m")
	t.Logf("%d Functions deleted within %v", count, time.Since(began).Round(time.Second))
}

// startProgram runs cmd/pelton-controller until the test ends, in which a controller of the rig takes over for the deletions.
func (r *rig) startProgram() (pid int) {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "pelton-controller")
	if out, err := exec.CommandContext(r.t.Context(), "go", "build", "-buildvcs=false", "-o", file, "../../cmd/pelton-controller").CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	var said bytes.Buffer
	cmd := exec.Command(file) //nolint:noctx // it is ended below, after the test's context
	cmd.Stderr = &said
	cmd.Env = []string{
		"KUBECONFIG=" + r.lab.Kubeconfig(), "PELTON_NAMESPACES=" + r.namespace, "NATS_URL=" + r.nats.URL(),
		"PELTON_SIDECAR_IMAGE=" + r.settings.SidecarImage, "PELTON_SCALER=" + r.settings.ScalerAddress, "PELTON_HEALTH_ADDRESS=off",
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || r.t.Failed() {
			r.t.Logf("pelton-controller: %v\n%s", err, said.String())
		}
		r.startController()
	})
	return cmd.Process.Pid
}

// cpuOf is what a process has used so far.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		t.Fatal(err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// residentOf is how much memory a process has, in MiB.
func residentOf(t *testing.T, pid int) (mib int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatalf("read resident memory: %v", err)
	}
	return kib >> 10
}
