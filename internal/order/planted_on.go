//go:build planted

package order

import "os"

// planted reports whether a bug is switched on: internal/faults makes a build like this one to see that its checker finds it.
func planted(bug string) bool { return os.Getenv("PELTON_PLANTED") == bug }
