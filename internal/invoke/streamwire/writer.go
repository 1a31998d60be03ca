package streamwire

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	maxBacklog = 1 << 20   // bytes that may wait for a peer that does not read; one frame more fits
	keepBuffer = 128 << 10 // a buffer that grew beyond this is not kept
	writePart  = 64 << 10
)

// ErrFull says that too much waits for the peer already: nothing was appended.
var ErrFull = errors.New("the peer does not read")

// Writer sends frames of many goroutines over one connection, as many at a time as there are.
//
// A frame is first appended to a shared buffer. Whoever appends while nobody writes becomes the one who flushes; the others
// leave their frames and go. The flusher itself writes only once and only what the socket takes without waiting, so no
// caller waits for a slow peer or writes for others without end: what is left goes to a goroutine, which ends when all is
// written.
type Writer struct {
	conn  net.Conn
	raw   syscall.RawConn // nil: this connection cannot be written without waiting
	stall time.Duration

	mu       sync.Mutex
	buf      []byte         // frames that nobody writes yet
	flushing bool           // someone has promised to flush, or does
	err      error          // set once: nothing is appended any more
	space    chan struct{}  // closed and forgotten when buf is taken; nil while nobody waits
	taken    uint64         // all bytes that were ever moved from buf to out
	flushes  sync.WaitGroup // those who flush; Add only under mu and while err is nil

	// These belong to whoever flushes; take alone needs mu too.
	out   []byte // out[sent:] is to be written
	sent  int
	tried error                 // what try came to
	try   func(fd uintptr) bool // made once: it would be allocated for each write
}

// NewWriter returns a writer that gives up when the peer takes nothing for the time stall.
func NewWriter(conn net.Conn, stall time.Duration) *Writer {
	w := &Writer{conn: conn, stall: stall}
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	w.try = func(fd uintptr) bool {
		var n int
		n, w.tried = writeNow(fd, w.out[w.sent:])
		w.sent += n
		return true // whatever came of it: do not wait
	}
	return w
}

// Place is where a frame stands in all that was appended.
type Place struct {
	Start uint64 // the bytes before it
	Flush bool   // the caller must call Flush next, after releasing locks of its own
}

// Append lets frame append one frame to what is to be written. The error is ErrFull, or why the connection takes nothing
// any more.
func (w *Writer) Append(frame func(b []byte) []byte) (Place, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && len(w.buf) > maxBacklog {
		return Place{}, ErrFull
	}
	return w.append(frame)
}

// AppendUrgent is Append without ErrFull, for small frames of which there are few.
func (w *Writer) AppendUrgent(frame func(b []byte) []byte) (Place, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.append(frame)
}

func (w *Writer) append(frame func(b []byte) []byte) (Place, error) {
	if w.err != nil {
		return Place{}, w.err
	}
	p := Place{Start: w.taken + uint64(len(w.buf)), Flush: !w.flushing}
	w.buf = frame(w.buf)
	if p.Flush {
		w.flushing = true
		w.flushes.Add(1)
	}
	return p, nil
}

// Space returns a channel that is closed when Append may be tried again after ErrFull.
func (w *Writer) Space() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || len(w.buf) <= maxBacklog {
		now := make(chan struct{})
		close(now)
		return now
	}
	if w.space == nil {
		w.space = make(chan struct{})
	}
	return w.space
}

// Flush writes what was appended. With others the caller says that more goroutines are about to append: they go first, and
// one system call carries all their frames.
func (w *Writer) Flush(others bool) {
	defer w.flushes.Done()
	if others {
		runtime.Gosched()
	}
	w.mu.Lock()
	w.take()
	w.mu.Unlock()
	if err := w.writeOnce(); err != nil {
		w.fail(fmt.Errorf("write: %w", err))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.sent == len(w.out) && len(w.buf) == 0:
		w.flushing = false
	case w.err == nil:
		w.flushes.Go(w.drain)
	}
}

// writeOnce gives the socket what it takes without waiting.
func (w *Writer) writeOnce() error {
	if w.raw == nil {
		return nil
	}
	w.tried = nil
	if err := w.raw.Write(w.try); err != nil {
		return err
	}
	return w.tried
}

// drain writes, waiting for the peer, until nothing is left.
func (w *Writer) drain() {
	for {
		if err := w.writeOut(); err != nil {
			w.fail(fmt.Errorf("write: %w", err))
			return
		}
		w.mu.Lock()
		if len(w.buf) == 0 {
			w.flushing = false
			w.mu.Unlock()
			return
		}
		w.take()
		w.mu.Unlock()
	}
}

// writeOut sends the rest of out, waiting for the peer. Each part of it has the stall time anew.
func (w *Writer) writeOut() error {
	for w.sent < len(w.out) {
		if err := w.conn.SetWriteDeadline(time.Now().Add(w.stall)); err != nil {
			return err
		}
		n, err := w.conn.Write(w.out[w.sent:min(len(w.out), w.sent+writePart)])
		w.sent += n
		if err != nil {
			return err
		}
	}
	return w.conn.SetWriteDeadline(time.Time{}) // or a later writeOnce would find it expired
}

// take makes the appended frames the ones to be written; all earlier ones are. The caller holds mu.
func (w *Writer) take() {
	free := w.out[:0]
	if cap(free) > keepBuffer {
		free = nil
	}
	w.out, w.buf, w.sent = w.buf, free, 0
	w.taken += uint64(len(w.out))
	w.release()
}

// release lets those who wait for space go on. The caller holds mu.
func (w *Writer) release() {
	if w.space != nil {
		close(w.space)
		w.space = nil
	}
}

func (w *Writer) fail(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.release()
	w.mu.Unlock()
	_ = w.conn.Close() // so that the reader's side ends too
}

// Drain waits until everything that was appended is written, and returns why if that cannot be.
func (w *Writer) Drain() error {
	w.flushes.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close refuses further frames, closes the connection and waits until nobody writes. It returns how many of all the bytes
// that were appended the socket took: the peer cannot have seen a frame that starts there or later.
func (w *Writer) Close() (written uint64) {
	w.fail(net.ErrClosed)
	w.flushes.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken - uint64(len(w.out)-w.sent)
}
