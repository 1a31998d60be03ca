//go:build unix

package functions_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	peltonevent "github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestLateCallDoesNotBegin gives a program calls and batches whose time is over, among others: it begins none of them, says nothing of
// them, and serves the others.
func TestLateCallDoesNotBegin(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "late")
	late := &peltonevent.Event{ID: "late", Source: "/s", Type: "wait for file", Data: []byte(file)}
	done := &peltonevent.Event{ID: "done", Source: "/s", Type: "done"}
	past, future := time.Now().Add(-time.Nanosecond).UnixNano(), time.Now().Add(patience).UnixNano()
	s := acceptProgram(t)
	for _, frame := range [][]byte{
		streamwire.AppendCall(nil, &streamwire.Call{ID: 1, Event: late, Attempt: 1, Deadline: past}),
		streamwire.AppendBatch(nil, &streamwire.Batch{ID: 2, Calls: []streamwire.Call{{ID: 1, Event: late, Attempt: 1}}, Deadline: past}),
		streamwire.AppendCancel(nil, &streamwire.Cancel{ID: 1}),
		streamwire.AppendCall(nil, &streamwire.Call{ID: 3, Event: done, Attempt: 1, Deadline: future}),
		streamwire.AppendBatch(nil, &streamwire.Batch{ID: 4, Calls: []streamwire.Call{{ID: 1, Event: done, Attempt: 1}}, Deadline: future}),
		streamwire.AppendCall(nil, &streamwire.Call{ID: 5, Event: done, Attempt: 1}),
		streamwire.AppendGoodbye(nil),
	} {
		if _, err := s.conn.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	want := map[uint64]streamwire.Kind{3: streamwire.KindResult, 4: streamwire.KindBatchResult, 5: streamwire.KindResult}
	if d := cmp.Diff(want, s.answers(t)); d != "" {
		t.Errorf("answers (-want +got):\n%s", d)
	}
	s.program.wantExit(t, 0, "")
	wantNotBegun(t, file)
}

// TestFrozenProgramBeginsNothingLate freezes a program with a call on its way to it, and lets it go on when nobody waits any more.
func TestFrozenProgramBeginsNothingLate(t *testing.T) {
	t.Parallel()
	inv, p := startStream(t)
	file := filepath.Join(t.TempDir(), "late")
	p.freeze(t)
	call := newCall("wait for file")
	call.Event.Data = []byte(file)
	call.Deadline = time.Now().Add(50 * time.Millisecond)
	_, err := inv.Invoke(t.Context(), call)
	if e, ok := errors.AsType[*invoke.Error](err); !ok || e.Code != invoke.CodeTimeout {
		t.Fatalf("call of a frozen program: got %v, want code %s", err, invoke.CodeTimeout)
	}
	p.signal(t, syscall.SIGCONT)
	if o, err := inv.Invoke(t.Context(), newCall("done")); err != nil || o.Kind != invoke.Done {
		t.Fatalf("call after it: got %+v and %v, want done", o, err)
	}
	p.signal(t, syscall.SIGTERM)
	p.wantExit(t, 0, "")
	wantNotBegun(t, file)
}

// freeze stops a program, and returns when it has stopped.
func (p *program) freeze(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || !status.Stopped() {
			t.Fatalf("the program has not stopped: %v, status %v", err, status)
		}
		return
	}
}

// wantNotBegun is of an event that tells a program to leave a sign of having begun.
func wantNotBegun(t *testing.T, file string) {
	t.Helper()
	if _, err := os.Stat(file + ".waiting"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the late call has begun (%v)", err)
	}
}

// bareSidecar is the other end of a program's connection, driven by a test.
type bareSidecar struct {
	program *program
	conn    net.Conn
	r       *streamwire.Reader
}

// acceptProgram starts a program and welcomes it.
func acceptProgram(t *testing.T) *bareSidecar {
	t.Helper()
	socket := socketPath(t)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &bareSidecar{program: startProgram(t, "PELTON_SOCKET="+socket)}
	if err := l.(*net.UnixListener).SetDeadline(time.Now().Add(waittest.Patience)); err != nil {
		t.Fatal(err)
	}
	if s.conn, err = l.Accept(); err != nil {
		t.Fatalf("the program does not connect: %v", err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	if err := s.conn.SetDeadline(time.Now().Add(waittest.Patience)); err != nil {
		t.Fatal(err)
	}
	s.r = streamwire.NewReader(s.conn, streamwire.DefaultMaxFrame, waittest.Patience)
	if _, err := s.r.Next(); err != nil {
		t.Fatalf("read Hello: %v", err)
	}
	welcome := streamwire.AppendWelcome(nil, &streamwire.Welcome{
		Version: streamwire.Version, Function: "thumbnail", Namespace: "prod", MaxBatchResponse: 1 << 20,
	})
	if _, err := s.conn.Write(welcome); err != nil {
		t.Fatal(err)
	}
	return s
}

// answers are all that a program says before it closes its connection, but for its Goodbye.
func (s *bareSidecar) answers(t *testing.T) map[uint64]streamwire.Kind {
	t.Helper()
	got := map[uint64]streamwire.Kind{}
	for {
		body, err := s.r.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		var f streamwire.Frame
		if err == nil {
			err = f.Decode(body)
		}
		if err != nil {
			t.Fatal(err)
		}
		switch f.Kind {
		case streamwire.KindResult:
			got[f.Result.ID] = f.Kind
		case streamwire.KindBatchResult:
			got[f.BatchResult.ID] = f.Kind
		case streamwire.KindGoodbye:
		default:
			t.Fatalf("a frame of kind %d", f.Kind)
		}
	}
}
