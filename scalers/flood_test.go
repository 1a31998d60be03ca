package scalers_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestLongNonsenseIsNotKept floods the scaler with names of its own making, as whoever reaches the port can.
func TestLongNonsenseIsNotKept(t *testing.T) {
	r := newRig(t, nil)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	const calls = 1000
	for i := range calls {
		_, err := r.client.IsActive(t.Context(), ref(fmt.Sprint("made-up-", i), strings.Repeat("x", 60_000), "1"))
		if err == nil || len(err.Error()) > 2000 {
			t.Fatalf("the error has %d bytes, want a sentence", len(fmt.Sprint(err)))
		}
	}
	for i := range calls {
		_, err := r.client.IsActive(t.Context(), ref(fmt.Sprint("made-up-", i), "function", strings.Repeat("x", 60_000)))
		if err == nil || len(err.Error()) > 2000 {
			t.Fatalf("the error has %d bytes, want a sentence", len(fmt.Sprint(err)))
		}
	}
	if each := (int64(heap()) - int64(before)) / calls; each > 16<<10 {
		t.Errorf("%d bytes are kept of each refused call", each)
	}
}
