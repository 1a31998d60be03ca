package testenv

import (
	"os"
	"testing"
)

// NeedLab skips the test unless PELTON_LAB is set, which says that a lab is up: it takes root, and the first one minutes to build.
func NeedLab(t testing.TB) {
	t.Helper()
	if os.Getenv("PELTON_LAB") == "" {
		t.Skip("needs a lab: task lab:up, then set PELTON_LAB=1")
	}
}
