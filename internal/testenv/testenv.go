// Package testenv says what a test needs of the machine besides Go. It knows nothing of Pelton and is linked by no program.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// Need skips the test, or in CI fails it, if a program is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		Lacks(t, program+" is not installed")
	}
}

// Lacks skips the test for what the machine does not have. In CI, where CI is set and everything must be tested, it fails it.
func Lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s, and CI must test everything", what)
	}
	t.Skip(what)
}
