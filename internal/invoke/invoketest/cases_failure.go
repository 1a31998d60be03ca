package invoketest

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func testTimeout(t *testing.T, s *suite) {
	s.start(t)
	for range 3 {
		call := newCall(typeHang, "hang")
		call.Deadline = time.Now().Add(soon)
		s.fails(t, t.Context(), call, invoke.CodeTimeout)
	}
	s.done(t)
}

func testDrip(t *testing.T, s *suite) {
	s.start(t)
	call := newCall(typeDrip, "drip")
	call.Deadline = time.Now().Add(soon)
	s.fails(t, t.Context(), call, invoke.CodeTimeout)
	s.usable(t)
}

func testPastDeadline(t *testing.T, s *suite) {
	s.start(t)
	call := newCall(typeDone, "late")
	call.Deadline = time.Now().Add(-time.Second)
	o, err := s.inv.Invoke(t.Context(), call)
	wantNotReady(t, o, err)
	s.done(t)
	s.absent(t, "late")
}

func testCancel(t *testing.T, s *suite) {
	s.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := s.goInvoke(ctx, newCall(typeHang, "cancel"))
	s.arrived(t, "cancel")
	cancel()
	r := waittest.Receive(t, result)
	wantCode(t, r.outcome, r.err, invoke.CodeCanceled)
	s.done(t)
}

func testCanceledBefore(t *testing.T, s *suite) {
	s.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o, err := s.inv.Invoke(ctx, newCall(typeDone, "before"))
	wantNotReady(t, o, err)
	s.done(t)
	s.absent(t, "before")
}

func testCrash(t *testing.T, s *suite) {
	s.start(t)
	for _, typ := range []string{typeCrash, typeCrashHalf} {
		s.fails(t, t.Context(), newCall(typ, typ), invoke.CodeCrash)
		s.restart(t)
		s.done(t)
	}
}

func testGarbage(t *testing.T, s *suite) {
	s.start(t)
	s.fails(t, t.Context(), newCall(typeGarbage, "garbage"), invoke.CodeBadResponse)
	s.usable(t)
}

func testHuge(t *testing.T, s *suite) {
	s.start(t)
	s.cutBounded(t, newCall(typeHuge, "huge"))
}

func testEndless(t *testing.T, s *suite) {
	s.start(t)
	s.cutBounded(t, newCall(typeEndless, "endless"))
}

// cutBounded makes a call whose answer must be cut without having been taken into memory.
func (s *suite) cutBounded(t *testing.T, call *invoke.Call) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.fails(t, t.Context(), call, invoke.CodeResponseTooLarge)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8*maxResponse {
		t.Errorf("the call allocated %d MiB for an answer that is limited to %d MiB", n>>20, maxResponse>>20)
	}
	s.usable(t)
}

// usable restarts the handler, which may be lost in the answer that was cut, and makes a call.
func (s *suite) usable(t *testing.T) {
	t.Helper()
	s.restart(t)
	s.done(t)
}

func (s *suite) restart(t *testing.T) {
	t.Helper()
	s.kill()
	// On a busy machine the news that a connection has ended may come after the end of the process.
	waittest.Eventually(t, func() error {
		_, err := s.inv.Invoke(t.Context(), newCall(typeDone, "between"))
		if errors.Is(err, invoke.ErrNotReady) {
			return nil
		}
		return err // nil where each call has a process of its own
	})
	s.start(t)
}

// result is what one Invoke returned.
type result struct {
	outcome invoke.Outcome
	err     error
}

// goInvoke makes a call in the background.
func (s *suite) goInvoke(ctx context.Context, call *invoke.Call) <-chan result {
	ch := make(chan result, 1)
	go func() {
		o, err := s.inv.Invoke(ctx, call)
		ch <- result{o, err}
	}()
	return ch
}
