package httpcall

import (
	"bytes"
	"errors"
	"io"
)

// buffer reads a connection through one reused piece of memory. b[r:w] is read and not yet used.
type buffer struct {
	src  io.Reader
	b    []byte
	r, w int
	more func() // called before src is read again; nil is nothing
}

// errFull says that what is looked for does not fit into the buffer.
var errFull = errors.New("buffer is full")

// reset forgets what was read, and the memory of a long head.
func (b *buffer) reset() {
	b.r, b.w = 0, 0
	if len(b.b) > bufferSize {
		b.b = make([]byte, bufferSize)
	}
}

func (b *buffer) unread() []byte { return b.b[b.r:b.w] }

// fill reads once more. A full buffer grows up to limit bytes, and beyond that fails with errFull.
func (b *buffer) fill(limit int) error {
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
	if b.w == len(b.b) {
		if err := b.makeRoom(limit); err != nil {
			return err
		}
	}
	if b.more != nil {
		b.more()
	}
	n, err := b.src.Read(b.b[b.w:])
	b.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

func (b *buffer) makeRoom(limit int) error {
	if b.r > 0 {
		b.w = copy(b.b, b.b[b.r:b.w])
		b.r = 0
		return nil
	}
	if len(b.b) >= limit {
		return errFull
	}
	grown := make([]byte, min(2*len(b.b), limit))
	copy(grown, b.b[:b.w])
	b.b = grown
	return nil
}

// line returns the next line without its end. It is valid until the next read.
func (b *buffer) line(limit int) ([]byte, error) {
	seen := 0
	for {
		if n := bytes.IndexByte(b.unread()[seen:], '\n'); n >= 0 {
			line := b.unread()[:seen+n]
			b.r += seen + n + 1
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		seen = len(b.unread())
		if seen >= limit {
			return nil, errFull
		}
		if err := b.fill(limit); err != nil {
			return nil, err
		}
	}
}
