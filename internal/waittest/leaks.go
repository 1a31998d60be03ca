package waittest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Main is for a package's TestMain: it runs the tests, and fails if goroutines are left of them. It waits for those that are
// on their way out, longer than goleak's half a second.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := awaitNoLeak(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// NoLeaks waits until no goroutine is left that the options do not allow, and fails the test when its patience is over.
func NoLeaks(t testing.TB, options ...goleak.Option) {
	t.Helper()
	if err := awaitNoLeak(options...); err != nil {
		t.Error(err)
	}
}

// awaitNoLeak does not poll often: goleak itself looks for half a second.
func awaitNoLeak(options ...goleak.Option) error {
	for deadline := time.Now().Add(leakPatience); ; {
		err := goleak.Find(options...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// leakPatience is short beside Patience: a goroutine that nobody ends should not cost minutes to hear of.
const leakPatience = 20 * time.Second
