package functions

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	peltonevent "github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

// testPatience is longer than anything here takes on a busy machine.
const testPatience = time.Minute

// sidecarEnd is the other end of a stream, which a test plays: it decides what comes at once.
type sidecarEnd struct {
	net.Conn
	r     *streamwire.Reader
	ended <-chan error // what serving came to
}

func newSidecarEnd(t testing.TB, f program) *sidecarEnd {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() { ended <- serveStream(t.Context(), f, socket) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testPatience)); err != nil {
		t.Fatal(err)
	}
	s := &sidecarEnd{Conn: conn, r: streamwire.NewReader(conn, streamwire.DefaultMaxFrame, testPatience), ended: ended}
	s.next(t, streamwire.KindHello)
	s.send(t, streamwire.AppendWelcome(nil, &streamwire.Welcome{Version: streamwire.Version, Function: "f", Namespace: "default"}))
	return s
}

func (s *sidecarEnd) send(t testing.TB, frames []byte) {
	t.Helper()
	if _, err := s.Write(frames); err != nil {
		t.Fatal(err)
	}
}

func (s *sidecarEnd) next(t testing.TB, kind streamwire.Kind) *streamwire.Frame {
	t.Helper()
	body, err := s.r.Next()
	if err != nil {
		t.Fatalf("next frame: %v", err)
	}
	var f streamwire.Frame
	if err := f.Decode(body); err != nil {
		t.Fatal(err)
	}
	if f.Kind != kind {
		t.Fatalf("next frame: got kind %d, want %d", f.Kind, kind)
	}
	return &f
}

// results reads so many, and returns the ids of their calls in order.
func (s *sidecarEnd) results(t *testing.T, n int) (ids []uint64) {
	t.Helper()
	for range n {
		ids = append(ids, s.next(t, streamwire.KindResult).Result.ID)
	}
	slices.Sort(ids)
	return ids
}

// finish ends a stream as a sidecar does, and wants the program to have nothing more to say than Goodbye.
func (s *sidecarEnd) finish(t *testing.T) {
	t.Helper()
	s.send(t, streamwire.AppendGoodbye(nil))
	s.next(t, streamwire.KindGoodbye)
	if err := <-s.ended; err != nil {
		t.Fatalf("serve: %v", err)
	}
}

func appendCall(b []byte, id uint64, typ string, deadline time.Time) []byte {
	c := streamwire.Call{ID: id, Event: &peltonevent.Event{ID: "1", Source: "/test", Type: typ}, Attempt: 1}
	if !deadline.IsZero() {
		c.Deadline = deadline.UnixNano()
	}
	return streamwire.AppendCall(b, &c)
}

// TestNoCallWaitsForAnother gives many calls at once, most of which go on until the last has been answered, panic, or end their
// goroutine.
func TestNoCallWaitsForAnother(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newSidecarEnd(t, Func(func(_ context.Context, e event.Event) (*event.Event, error) {
		switch e.Type() {
		case "waits":
			<-release
		case "goes":
			runtime.Goexit()
		}
		return nil, nil
	}))
	var frames []byte
	var quick, slow []uint64
	for id := uint64(1); id <= 300; id++ {
		typ := []string{"waits", "goes", "returns"}[id%3]
		frames = appendCall(frames, id, typ, time.Time{})
		if typ == "waits" {
			slow = append(slow, id)
		} else {
			quick = append(quick, id)
		}
	}
	s.send(t, frames)
	if got := s.results(t, len(quick)); !slices.Equal(got, quick) {
		t.Errorf("while others go on: got results of %v, want %v", got, quick)
	}
	close(release)
	if got := s.results(t, len(slow)); !slices.Equal(got, slow) {
		t.Errorf("at their end: got results of %v, want %v", got, slow)
	}
	s.finish(t)
}

// TestNobodyBeginsWhatIsOver: a call or a batch whose time was over when its turn came, or that was canceled by then, is not begun and
// not answered. What comes after it is.
func TestNobodyBeginsWhatIsOver(t *testing.T) {
	t.Parallel()
	begun := make(chan string, 8)
	s := newSidecarEnd(t, Func(func(_ context.Context, e event.Event) (*event.Event, error) {
		begun <- e.Type()
		return nil, nil
	}))
	past := time.Now().Add(-time.Millisecond)
	late := streamwire.Batch{ID: 2, Deadline: past.UnixNano(), Calls: []streamwire.Call{{
		ID: 3, Event: &peltonevent.Event{ID: "1", Source: "/test", Type: "late batch"}, Attempt: 1,
	}}}
	frames := appendCall(nil, 1, "late", past)
	frames = streamwire.AppendBatch(frames, &late)
	s.send(t, appendCall(frames, 4, "in time", time.Now().Add(testPatience)))
	if got := s.results(t, 1); got[0] != 4 {
		t.Errorf("got the result of %d, want that of 4", got[0])
	}
	s.send(t, appendCall(nil, 5, "without a deadline", time.Time{}))
	if got := s.results(t, 1); got[0] != 5 {
		t.Errorf("got the result of %d, want that of 5", got[0])
	}
	s.finish(t)
	close(begun)
	var got []string
	for typ := range begun {
		got = append(got, typ)
	}
	if want := []string{"in time", "without a deadline"}; !slices.Equal(got, want) {
		t.Errorf("begun: got %q, want %q", got, want)
	}
}

// TestLine says when a worker is woken: for the first call, and by each that takes one and leaves others, but never while one is on
// its way.
func TestLine(t *testing.T) {
	t.Parallel()
	var l line
	a, b, c := &streamCall{id: 1}, &streamCall{id: 2}, &streamCall{id: 3}
	if !l.add(a) || l.add(b) || l.add(c) {
		t.Fatal("want a worker woken for the first call alone")
	}
	for i, want := range []struct {
		woken bool // the worker that takes was woken
		call  *streamCall
		wake  bool
	}{
		{true, a, true}, {false, b, false}, {true, c, false}, {false, nil, false},
	} {
		if got, wake := l.take(want.woken); got != want.call || wake != want.wake {
			t.Errorf("take %d: got %v and wake %v, want %v and %v", i, got, wake, want.call, want.wake)
		}
	}
	if !l.add(a) {
		t.Error("add after all were taken: want a worker woken")
	}
}
