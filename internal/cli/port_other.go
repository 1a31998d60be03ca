//go:build !linux

package cli

// portHolder would say who listens on a TCP port; this system does not let us see that without more rights.
func portHolder(int) string { return "" }
