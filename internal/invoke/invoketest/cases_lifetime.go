package invoketest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func testLateHandler(t *testing.T, s *suite) {
	o, err := s.inv.Invoke(t.Context(), newCall(typeDone, "early"))
	wantNotReady(t, o, err)

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.inv.WaitReady(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("wait for a handler that is not there: got %v, want the context's error", err)
	}

	ready := make(chan error, 1)
	long, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	go func() { ready <- s.inv.WaitReady(long) }()
	s.kill = s.h.Start(t)
	if err := waittest.Receive(t, ready); err != nil {
		t.Fatalf("wait for a late handler: %v", err)
	}
	s.done(t)
	s.absent(t, "early")
}

// testRestart replaces the handler between calls. The first call after WaitReady may find that the old handler is gone,
// but it must not count as an attempt.
func testRestart(t *testing.T, s *suite) {
	s.start(t)
	first := s.seen(t, newCall(typeSeen, "first")).PID
	for range 3 {
		s.kill()
		o, err := s.inv.Invoke(t.Context(), newCall(typeDone, "gone"))
		wantNotReady(t, o, err)
		s.start(t)
		waittest.Eventually(t, func() error {
			_, err := s.inv.Invoke(t.Context(), newCall(typeDone, "back"))
			if err != nil && !errors.Is(err, invoke.ErrNotReady) {
				t.Fatalf("invoke after a restart: %v", err)
			}
			return err
		})
	}
	if second := s.seen(t, newCall(typeSeen, "second")).PID; second == first {
		t.Errorf("process %d answers after it was killed", second)
	}
}

func testConcurrent(t *testing.T, s *suite) {
	n := s.p.Concurrent
	if n == 0 {
		n = 1000
	}
	s.start(t)
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		wg.Go(func() { errs <- s.mirrored(t.Context(), strconv.Itoa(i)) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.done(t)
}

// mirrored makes a call that must be answered with its own data.
func (s *suite) mirrored(ctx context.Context, id string) error {
	call := newCall(typeMirror, id)
	call.Event.Data = []byte("data of " + id)
	o, err := s.inv.Invoke(ctx, call)
	switch {
	case err != nil:
		return fmt.Errorf("invoke %s: %w", id, err)
	case o.Reply == nil:
		return fmt.Errorf("invoke %s: got %+v, want a reply", id, o)
	case string(o.Reply.Data) != string(call.Event.Data):
		return fmt.Errorf("invoke %s: the reply holds %q, the answer to another call", id, o.Reply.Data)
	}
	return nil
}

func testClose(t *testing.T, s *suite) {
	s.start(t)
	s.done(t)
	for range 2 {
		if err := s.inv.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	o, err := s.inv.Invoke(t.Context(), newCall(typeDone, "closed"))
	wantNotReady(t, o, err)
	if !errors.Is(err, invoke.ErrClosed) {
		t.Errorf("invoke after close: got %v, want ErrClosed", err)
	}
	if err := s.inv.WaitReady(t.Context()); !errors.Is(err, invoke.ErrClosed) {
		t.Errorf("wait after close: got %v, want ErrClosed", err)
	}
	s.absent(t, "closed")
}

func testCloseCuts(t *testing.T, s *suite) {
	s.start(t)
	var running []<-chan result
	for i := range 4 {
		id := "cut" + strconv.Itoa(i)
		running = append(running, s.goInvoke(t.Context(), newCall(typeHang, id)))
		s.arrived(t, id)
	}
	if err := s.inv.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	for _, ch := range running {
		r := waittest.Receive(t, ch)
		wantCode(t, r.outcome, r.err, invoke.CodeCanceled)
		if !errors.Is(r.err, invoke.ErrClosed) {
			t.Errorf("cut call: got %v, want ErrClosed", r.err)
		}
	}
}

func testCloseEndsWaiting(t *testing.T, s *suite) {
	ready := make(chan error, 1)
	go func() { ready <- s.inv.WaitReady(t.Context()) }()
	if err := s.inv.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if err := waittest.Receive(t, ready); !errors.Is(err, invoke.ErrClosed) {
		t.Errorf("wait that was cut by close: got %v, want ErrClosed", err)
	}
}
