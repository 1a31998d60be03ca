package streamwire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const patience = 60 * time.Second

// pair returns the two ends of a unix socket.
func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	dir, err := os.MkdirTemp("", "pelton")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	near, err = net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

func callFrame(id uint64, data int) func(b []byte) []byte {
	c := &Call{ID: id, Event: &event.Event{ID: "e", Data: bytes.Repeat([]byte{byte(id)}, data)}}
	return func(b []byte) []byte { return AppendCall(b, c) }
}

// TestManyWriters sends frames of all sizes from many goroutines; each must arrive once, whole and unmixed.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	w, r := NewWriter(near, patience), NewReader(far, DefaultMaxFrame, patience)
	const writers, each = 16, 100
	var sending sync.WaitGroup
	for i := range writers {
		sending.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			for n := range each {
				send(t, w, callFrame(uint64(i*each+n+1), sizeOf(rnd)))
			}
		})
	}
	seen := map[uint64]bool{}
	var f Frame
	for range writers * each {
		body, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Decode(body); err != nil {
			t.Fatal(err)
		}
		if want := bytes.Repeat([]byte{byte(f.Call.ID)}, len(f.Call.Event.Data)); !bytes.Equal(f.Call.Event.Data, want) {
			t.Fatalf("call %d came with the data of another", f.Call.ID)
		}
		if seen[f.Call.ID] {
			t.Fatalf("call %d came twice", f.Call.ID)
		}
		seen[f.Call.ID] = true
	}
	sending.Wait()
	if err := w.Drain(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last frame: got %v, want EOF", err)
	}
}

func sizeOf(rnd *rand.Rand) int {
	if rnd.IntN(50) == 0 {
		return 300 << 10 // larger than buffers and sockets
	}
	return rnd.IntN(500)
}

// send appends as callers do.
func send(t *testing.T, w *Writer, frame func(b []byte) []byte) {
	t.Helper()
	for {
		p, err := w.Append(frame)
		if errors.Is(err, ErrFull) {
			<-w.Space()
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		if p.Flush {
			w.Flush(true)
		}
		return
	}
}

// TestFullWriter appends to a peer that does not read until there is no room; nobody waits in Append or Flush. When the
// peer reads again, whoever waits for room goes on.
func TestFullWriter(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	w := NewWriter(near, patience)
	n := fill(t, w)
	waiting := make(chan struct{})
	space := w.Space()
	go func() { <-space; close(waiting) }()
	r := NewReader(far, DefaultMaxFrame, patience)
	for range n {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	waittest.Receive(t, waiting)
	send(t, w, callFrame(1, 1))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	w.Close()
}

// fill appends until the writer is full, or has given up, and returns how many frames it took.
func fill(t *testing.T, w *Writer) int {
	t.Helper()
	for n := 0; ; n++ {
		p, err := w.Append(callFrame(uint64(n+1), 64<<10))
		if errors.Is(err, ErrFull) || errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Flush {
			w.Flush(false)
		}
	}
}

// TestStalledPeer cuts a peer that reads nothing; those who wait for room are told.
func TestStalledPeer(t *testing.T) {
	t.Parallel()
	near, _ := pair(t)
	w := NewWriter(near, 50*time.Millisecond)
	fill(t, w)
	waittest.Receive(t, w.Space())
	if _, err := w.Append(callFrame(1, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("append after the peer stalled: got %v, want a deadline error", err)
	}
	w.Close()
}

// TestCloseCounts says how much of what was appended can have been seen.
func TestCloseCounts(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	w := NewWriter(near, patience)
	frame := callFrame(1, 1000)
	size := uint64(len(frame(nil)))
	send(t, w, frame)
	second, err := w.Append(frame)
	if err != nil || second.Start != size {
		t.Fatalf("second frame: starts at %d (%v), want %d", second.Start, err, size)
	}
	_ = far.Close()
	w.Flush(false)
	if written := w.Close(); written != size {
		t.Fatalf("written: got %d, want the first frame's %d", written, size)
	}
	if _, err := w.Append(frame); err == nil {
		t.Fatal("append after close: got no error")
	}
}

func TestCloseEndsBlockedWrite(t *testing.T) {
	t.Parallel()
	near, _ := pair(t)
	w := NewWriter(near, patience)
	fill(t, w)
	done := make(chan struct{})
	go func() { w.Close(); close(done) }()
	waittest.Receive(t, done)
}

func TestReaderErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		sent []byte
		want error
	}{
		{"nothing", nil, io.EOF},
		{"length that is no number", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, ErrFrame},
		{"length too long by one byte", protowire.AppendVarint(nil, 1<<35), ErrFrame},
		{"half a length", []byte{0xff}, io.ErrUnexpectedEOF},
		{"half a frame", []byte{5, 1, 2}, io.ErrUnexpectedEOF},
		{
			"half a large frame", append(protowire.AppendVarint(nil, readBuffer*2), make([]byte, readBuffer)...),
			io.ErrUnexpectedEOF,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			near, far := pair(t)
			go func() {
				_, _ = near.Write(c.sent)
				_ = near.Close()
			}()
			if _, err := NewReader(far, 1<<20, patience).Next(); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestReaderSkipsOversized(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	const limit = 1000
	go func() {
		for _, size := range []int{limit, limit + 1, 1 << 20, 10} {
			b := protowire.AppendVarint(nil, uint64(size))
			_, _ = near.Write(append(b, bytes.Repeat([]byte{'x'}, size)...))
		}
		_ = near.Close()
	}()
	r := NewReader(far, limit, patience)
	for _, want := range []uint64{limit, limit + 1, 1 << 20, 10} {
		body, err := r.Next()
		var big *OversizedError
		switch {
		case errors.As(err, &big):
			if want <= limit || big.Size != want || len(big.Head) != headBytes {
				t.Fatalf("got a frame of %d bytes with a head of %d, want %d bytes", big.Size, len(big.Head), want)
			}
		case err != nil:
			t.Fatal(err)
		case uint64(len(body)) != want:
			t.Fatalf("got %d bytes, want %d", len(body), want)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("got %v, want EOF", err)
	}
}

// TestReaderStall bounds the time for one frame and not the time between frames.
func TestReaderStall(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	const stall = 200 * time.Millisecond
	r := NewReader(far, 1<<20, stall)
	if _, err := near.Write([]byte{1, 0, 1}); err != nil { // a frame, and the length of another
		t.Fatal(err)
	}
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("half a frame: got %v, want a deadline error", err)
	}

	near, far = pair(t)
	r = NewReader(far, 1<<20, stall)
	late := time.AfterFunc(2*stall, func() { _, _ = near.Write([]byte{1, 0}) })
	defer late.Stop()
	if _, err := near.Write([]byte{2, 0}); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = near.Write([]byte{0}) }()
	for range 2 {
		if _, err := r.Next(); err != nil {
			t.Fatalf("a frame after a pause: %v", err)
		}
	}
}
