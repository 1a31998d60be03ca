// Package testenv says what a test needs of the machine besides Go. It knows nothing of Pelton and is linked by no program.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// InCI reports whether everything must be tested: what a developer's machine lacks skips a test, what CI lacks fails it.
func InCI() bool { return os.Getenv("CI") != "" }

// Need skips the test, or in CI fails it, if a program is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if InCI() {
			t.Fatalf("%s is not installed, and CI must test everything", program)
		}
		t.Skipf("%s is not installed", program)
	}
}
