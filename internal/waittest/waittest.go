// Package waittest waits in tests, without sleeping and without bounds that a busy machine could break.
//
// It knows nothing of Pelton and is linked by no program. Each function returns when what it waits for has come, or fails
// the test.
package waittest

import (
	"testing"
	"time"
)

// Patience is how long something that must happen may take on a machine that is busy with other things.
const Patience = 2 * time.Minute

// Eventually calls check until it returns nil, and fails the test with the last error when its patience is over.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", Patience, err)
		}
		<-tick.C
	}
}

// Receive returns what comes from ch, or its zero value once ch is closed. The test fails when its patience is over.
func Receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case v := <-ch:
		return v
	case <-timer.C:
		t.Fatalf("nothing came within %v", Patience)
		panic("unreachable")
	}
}
