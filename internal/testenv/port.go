package testenv

import "testing"

// HoldPort returns a loopback port that belongs to the test until it ends, whether somebody listens there or not: the kernel
// gives it to nobody who asks for any port, neither to a listener nor as the near end of a connection. A test needs that if
// something listens only later, or again after a restart: a port that was merely free may be another test's by then.
//
// Whoever listens there must set SO_REUSEADDR, as Go does. Elsewhere than on Linux the port is only one that was free.
func HoldPort(t testing.TB) int {
	t.Helper()
	port, release, err := holdPort()
	if err != nil {
		t.Fatalf("hold a port: %v", err)
	}
	t.Cleanup(release)
	return port
}
