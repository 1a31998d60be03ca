package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	rest := strings.Repeat(" 0", 17)
	for text, want := range map[string]Process{
		"7 (sh) S 1" + rest + " 42 0 0":           {PID: 7, Parent: 1, Command: "sh", Started: 42},
		"8 (a) b (c) Z 7" + rest + " 43 0":        {PID: 8, Parent: 7, Command: "a) b (c", Started: 43, Dead: true},
		"9 (x\ny) R 2" + rest + " 18446744073709": {PID: 9, Parent: 2, Command: "x\ny", Started: 18446744073709},
	} {
		got, err := parseStat(text)
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "7", "7 (sh", "7 sh) S 1", "7 (sh) S 1 0", "x (sh) S 1" + rest + " 42", "7 (sh) S y" + rest + " 42",
		"7 (sh) S 1" + rest + " -1",
	} {
		if got, err := parseStat(text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

// TestReadSelf finds this process, by its id and among all.
func TestReadSelf(t *testing.T) {
	t.Parallel()
	self, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if self.Parent != os.Getppid() || self.Dead || self.Started == 0 {
		t.Errorf("got %+v", self)
	}
	found := false
	for _, p := range All() {
		found = found || p == self
	}
	if !found {
		t.Errorf("%+v is not among all processes", self)
	}
	if _, err := Read(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that does not exist: %v", err)
	}
	if boot, err := Boot(); err != nil || len(boot) != 36 {
		t.Errorf("boot id %q, %v", boot, err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	path := "PATH=" + os.Getenv("PATH")
	if !Environment(os.Getpid(), path) {
		t.Errorf("%s was not found", path)
	}
	if Environment(os.Getpid(), path+"x") || Environment(os.Getpid(), "PATH") || Environment(1<<30, path) {
		t.Error("found a variable that is not there")
	}
}

// TestHolder listens on ports of every kind and asks who does.
func TestHolder(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil && strings.Contains(address, "::") {
			t.Logf("no IPv6 here: %v", err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if got, want := Holder(port), fmt.Sprintf("(pid %d)", os.Getpid()); !strings.HasSuffix(got, want) {
			t.Errorf("%s: held by %q, want %q", address, got, want)
		}
		_ = l.Close()
		if got := Holder(port); strings.Contains(got, fmt.Sprintf("(pid %d)", os.Getpid())) {
			t.Errorf("%s: closed, and held by %q", address, got)
		}
	}
}

func TestMountsUnder(t *testing.T) {
	t.Parallel()
	info := strings.Join([]string{
		"22 1 0:20 / / rw - ext4 /dev/vda rw",
		"23 22 0:21 / /lab rw - tmpfs t rw",
		"24 22 0:21 / /lab/cd/one rw - overlay o rw",
		"25 22 0:21 / /lab/cd/one/deep rw - overlay o rw",
		"26 22 0:21 / /lab/two\\040words rw - tmpfs t rw",
		"27 22 0:21 / /lab/cd/one rw - overlay again rw",
		"28 22 0:21 / /laboratory/x rw - tmpfs t rw",
		"", "broken",
	}, "\n")
	want := []string{"/lab/cd/one/deep", "/lab/cd/one", "/lab/cd/one", "/lab/two words"}
	if diff := cmp.Diff(want, mountsUnder(info, "/lab")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if mounts, err := Mounts(filepath.Join(t.TempDir(), "none")); err != nil || mounts != nil {
		t.Errorf("got %v, %v", mounts, err)
	}
}
