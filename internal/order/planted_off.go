//go:build !planted

package order

// planted reports whether a bug is switched on: never, in this build.
func planted(string) bool { return false }
