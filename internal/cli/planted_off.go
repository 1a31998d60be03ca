//go:build !planted

package cli

// planted reports whether a bug is switched on. This build has none: internal/faults makes one that has (planted_on.go), to see
// that its checkers find them.
func planted(string) bool { return false }
