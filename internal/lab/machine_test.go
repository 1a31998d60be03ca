package lab

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestHosts gives and takes names, and leaves every line that is not ours as it is.
func TestHosts(t *testing.T) {
	t.Parallel()
	const theirs = "127.0.0.1 localhost\n\n# comment\n198.18.0.9 scaler.lab"
	file := write(t, filepath.Join(t.TempDir(), "hosts"), theirs)
	for _, step := range []struct {
		name      string
		addresses []string
		want      string
	}{
		{
			"scaler.lab",
			[]string{"198.18.0.11", "198.18.0.12"},
			"\n198.18.0.11 scaler.lab # pelton-lab\n198.18.0.12 scaler.lab # pelton-lab\n",
		},
		{
			"other.lab",
			[]string{"::1"},
			"\n198.18.0.11 scaler.lab # pelton-lab\n198.18.0.12 scaler.lab # pelton-lab\n::1 other.lab # pelton-lab\n",
		},
		{"scaler.lab", []string{"198.18.0.13"}, "\n::1 other.lab # pelton-lab\n198.18.0.13 scaler.lab # pelton-lab\n"},
		{"scaler.lab", []string{"198.18.0.13"}, "\n::1 other.lab # pelton-lab\n198.18.0.13 scaler.lab # pelton-lab\n"},
		{"other.lab", nil, "\n198.18.0.13 scaler.lab # pelton-lab\n"},
	} {
		if err := setHost(file, step.name, step.addresses); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(theirs+step.want, content(t, file)); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", step.name, step.addresses, diff)
		}
	}
	for range 2 {
		if err := clearHosts(file); err != nil || content(t, file) != theirs+"\n" {
			t.Errorf("cleared: %q, %v", content(t, file), err)
		}
	}
	wantError(t, setHost(file, "a", []string{"b"}), `"b" is not an IP address`)
	wantError(t, setHost(file, "a b", nil), "not a name")
	wantError(t, setHost(file+"x", "a", nil), "edit")
}

func TestWhatAMachineLacks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	wantError(t, checkCgroups(root), "cpu, cpuset, memory, pids")
	for _, controller := range []string{"cpu", "memory", "pids"} {
		if err := os.Mkdir(filepath.Join(root, controller), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, checkCgroups(root), "controllers cpuset:")
	write(t, filepath.Join(root, "cgroup.controllers"), "cpuset cpu io memory pids\n")
	if err := checkCgroups(root); err != nil {
		t.Error(err)
	}
	wantError(t, checkSpace(filepath.Join(root, "not", "yet"), 1<<60), "too little disk space", "need 1073741824.0 GiB, have ")
	if err := checkSpace(filepath.Join(root, "not", "yet"), 1); err != nil {
		t.Error(err)
	}
}

func TestMissingPackages(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	all := []string{"containerd", "runc", "containernetworking-plugins", "iproute2", "mount"}
	if missing := missingPackages(root); !slices.Equal(missing, all) {
		t.Errorf("missing: %v", missing)
	}
	for _, need := range debian {
		if need.name != "containerd" || need.file == "/usr/bin/containerd" {
			write(t, filepath.Join(root, need.file), "")
		}
	}
	if missing := missingPackages(root); !slices.Equal(missing, []string{"containerd"}) {
		t.Errorf("half a package is there: %v", missing)
	}
}

// TestKernelSettings gives back what was changed, and only that.
func TestKernelSettings(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "kernel/panic"), "1\n")
	write(t, filepath.Join(root, "vm/overcommit_memory"), "0\n")
	before := readKernel(root)
	if diff := cmp.Diff(map[string]string{"kernel/panic": "1", "vm/overcommit_memory": "0"}, before); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	write(t, filepath.Join(root, "kernel/panic"), "10\n")
	if err := restoreKernel(root, before); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(root, "kernel/panic")); got != "1" {
		t.Errorf("restored %q", got)
	}
	if got := content(t, filepath.Join(root, "vm/overcommit_memory")); got != "0\n" {
		t.Errorf("wrote what was right: %q", got)
	}
	wantError(t, restoreKernel(t.TempDir(), before), "kernel/panic", "vm/overcommit_memory")
}

func TestAddressOfAnotherDevice(t *testing.T) {
	t.Parallel()
	device := link{Name: "eth7"}
	device.Addresses = append(device.Addresses, struct {
		Local string `json:"local"`
	}{bridgeIP})
	wantError(t, addressFree([]link{{Name: "lo"}, device}), "eth7", bridgeIP)
	device.Name = bridge
	if err := addressFree([]link{device}); err != nil {
		t.Error(err)
	}
}

// TestRemoveOnlyOurs removes links, files and sockets that are ours from directories that are not.
func TestRemoveOnlyOurs(t *testing.T) {
	t.Parallel()
	dir, ours := t.TempDir(), "/var/lib/test-lab/logs"
	for name, target := range map[string]string{"ours": ours + "/a", "theirs": "/var/log/pods/b", "alike": ours + "2/c"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "result-ours"), `{"sandbox": "`+ours+`/netns/x"}`)
	write(t, filepath.Join(dir, "result-theirs"), `{"sandbox": "`+ours+`2/netns/x"}`)
	if err := removeLinks(dir, ours); err != nil {
		t.Error(err)
	}
	if err := removeNaming(dir, ours); err != nil {
		t.Error(err)
	}
	if err := removeLinks(filepath.Join(dir, "gone"), ours); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if diff := cmp.Diff([]string{"alike", "result-theirs", "theirs"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestSockets(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	bundle := c.path("cd", "state", "io.containerd.runtime.v2.task", "k8s.io", "id", "address")
	socket := c.path("shim")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	removeDeadSocket(t.Context(), socket)
	if _, err := os.Stat(socket); err != nil {
		t.Errorf("removed a socket that is in use: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	removeDeadSocket(t.Context(), socket)
	if _, err := os.Stat(socket); err == nil {
		t.Error("a dead socket is left")
	}
	write(t, socket, "")
	write(t, bundle, "unix://"+socket+"\n")
	for range 2 {
		if err := removeShimSockets(c.path("cd", "state")); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket of a shim is left")
	}
}

// TestRemoveFiles removes a cluster's state and nothing else.
func TestRemoveFiles(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	for _, path := range []string{"run/cluster.json", "run/etcd/wal", "cd/root/x", "bin/etcd", "logs/etcd.log"} {
		write(t, c.path(path), "")
	}
	if _, err := c.removeFiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil || len(entries) != 2 || !strings.HasPrefix(entries[0].Name()+entries[1].Name(), "binlogs") {
		t.Errorf("left: %v, %v", entries, err)
	}
}
