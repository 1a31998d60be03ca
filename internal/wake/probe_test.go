package wake

import (
	"sync"
	"testing"

	"github.com/pelton-dev/pelton/internal/natstest"
)

// A probe may be answered before the server counts the message as pending: on a busy server the test must not take that for
// a message that was consumed, or every function would be polled from then on.
func TestSelfTestPassesOnABusyServer(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	var tests sync.WaitGroup
	for range 8 {
		w, err := New(srv.Conn(t), Config{})
		if err != nil {
			t.Fatal(err)
		}
		tests.Go(func() {
			for range 25 {
				if err := w.selfTest(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	tests.Wait()
}
