package streamwire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// StallTimeout is how long a peer may take to send the rest of a frame, or to take the next bytes from its socket.
	StallTimeout = 30 * time.Second
	// DefaultMaxFrame bounds a frame where nothing else was agreed on.
	DefaultMaxFrame = 128 << 20

	readBuffer = 32 << 10
	headBytes  = 32 // of a frame that is too large: enough to find a Result's id
)

// ErrFrame says that the bytes on the connection are no frames.
var ErrFrame = errors.New("not a frame")

// OversizedError is a frame over the reader's limit. The reader can go on: its next call skips the frame.
type OversizedError struct {
	Size uint64
	Head []byte // the frame's first bytes
}

// Error names the frame's size.
func (e *OversizedError) Error() string {
	return fmt.Sprintf("frame of %d bytes is over the limit", e.Size)
}

// Reader takes frames from a connection. One goroutine uses it.
type Reader struct {
	conn  net.Conn
	limit uint64
	stall time.Duration

	buf     []byte // its part [start:end] is read and not yet taken
	start   int
	end     int
	discard uint64 // bytes of an oversized frame still to be thrown away
	timed   bool   // a read deadline is set
	current bool   // and it is the one of the frame that is being read
}

// NewReader returns a reader of frames of at most limit bytes; a frame must be complete within stall.
func NewReader(conn net.Conn, limit int, stall time.Duration) *Reader {
	return &Reader{conn: conn, limit: uint64(limit), stall: stall, buf: make([]byte, readBuffer)}
}

// Next returns the body of the next frame, which is valid until the next call. The error is io.EOF if the connection ended
// between two frames, an *OversizedError, one that wraps ErrFrame, or what the connection says.
func (r *Reader) Next() ([]byte, error) {
	if err := r.skipOversized(); err != nil {
		return nil, err
	}
	r.current = false
	size, head, err := r.length()
	if err != nil {
		return nil, err
	}
	if size > r.limit {
		return nil, r.oversized(size, head)
	}
	return r.body(int(size), head)
}

// length waits for a frame's length. It returns the length and how many bytes it takes itself; they are not yet taken.
func (r *Reader) length() (size uint64, head int, err error) {
	for {
		size, n := protowire.ConsumeVarint(r.buf[r.start:r.end])
		switch {
		case n > 5 || (n < 0 && r.end-r.start >= 5):
			return 0, 0, fmt.Errorf("%w: its length is not a number", ErrFrame)
		case n > 0:
			return size, n, nil
		}
		if err := r.fill(); err != nil {
			return 0, 0, err
		}
	}
}

// body waits for the whole frame and takes it.
func (r *Reader) body(size, head int) ([]byte, error) {
	if head+size > len(r.buf) {
		return r.largeBody(size, head)
	}
	for r.end-r.start < head+size {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	body := r.buf[r.start+head : r.start+head+size]
	r.start += head + size
	return body, nil
}

// largeBody reads a frame that does not fit the buffer. Its memory grows with what has come, not with what was announced.
func (r *Reader) largeBody(size, head int) ([]byte, error) {
	var body bytes.Buffer
	body.Write(r.buf[r.start+head : r.end])
	r.start, r.end = 0, 0
	if !r.current {
		r.setDeadline()
	}
	if _, err := io.CopyN(&body, r.conn, int64(size-body.Len())); err != nil {
		return nil, partial(err)
	}
	return body.Bytes(), nil
}

// oversized takes the frame's head and remembers to skip the rest.
func (r *Reader) oversized(size uint64, head int) error {
	r.start += head
	want := int(min(size, headBytes))
	for r.end-r.start < want {
		if err := r.fill(); err != nil {
			return err
		}
	}
	r.discard = size
	return &OversizedError{Size: size, Head: bytes.Clone(r.buf[r.start : r.start+want])}
}

func (r *Reader) skipOversized() error {
	for r.discard > 0 {
		n := int(min(r.discard, uint64(r.end-r.start)))
		r.start += n
		r.discard -= uint64(n)
		if r.discard == 0 {
			break
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads more bytes, moving what is left to the front. In the middle of a frame the peer has only so much time.
func (r *Reader) fill() error {
	middle := r.end > r.start || r.discard > 0
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	switch {
	case middle && !r.current:
		r.setDeadline()
	case !middle && r.timed:
		r.timed = false
		_ = r.conn.SetReadDeadline(time.Time{}) // fails only on a closed connection, and then Read says so
	}
	n, err := r.conn.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if middle {
		return partial(err)
	}
	return err
}

func (r *Reader) setDeadline() {
	r.timed, r.current = true, true
	_ = r.conn.SetReadDeadline(time.Now().Add(r.stall)) // as above
}

// partial is the error for a connection that ended in the middle of a frame.
func partial(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
