package invoketest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pelton-dev/pelton/internal/waittest"
)

// inventory is what the test process holds: goroutines, descriptors, children.
type inventory struct {
	goroutines goleak.Option
	fds        int
	children   int
}

func takeInventory(t testing.TB) inventory {
	t.Helper()
	// The first pipe makes the runtime open its poller, which then stays.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatalf("make pipe: %v", err)
	}
	_, _ = r.Close(), w.Close()
	fds, children := countFDs(), countChildren()
	return inventory{goroutines: goleak.IgnoreCurrent(), fds: fds, children: children}
}

// compare fails the test if something was left behind. What is about to end gets the time for it.
func (v inventory) compare(t testing.TB) {
	t.Helper()
	waittest.Eventually(t, func() error {
		if n := countChildren(); n > v.children {
			return fmt.Errorf("%d child processes were left behind", n-v.children)
		}
		if n := countFDs(); n > v.fds {
			return fmt.Errorf("%d descriptors were left open: %s", n-v.fds, listFDs())
		}
		return goleak.Find(v.goroutines)
	})
}

func fdLinks() []string {
	links, _ := filepath.Glob("/proc/self/fd/*")
	open := links[:0]
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil {
			open = append(open, to)
		}
	}
	return open
}

func countFDs() int { return len(fdLinks()) }

func listFDs() string { return strings.Join(fdLinks(), " ") }

// countChildren counts child processes, dead ones that nobody waited for included.
func countChildren() int {
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	n := 0
	for _, f := range tasks {
		b, _ := os.ReadFile(f)
		n += len(strings.Fields(string(b)))
	}
	return n
}
