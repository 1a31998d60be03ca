package natstest

import (
	"testing"
	"time"
)

// Eventually calls check until it returns nil, for 30 seconds at most, and then fails the test with the last error.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within 30s: %v", err)
		}
		<-tick.C
	}
}
