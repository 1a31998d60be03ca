package httpcall

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// maxChunkLine bounds a line between chunks, and maxTrailer all lines after the last one.
const (
	maxChunkLine = 1 << 10
	maxTrailer   = 64 << 10
)

// sink takes the body of an answer: it keeps the beginning and counts all.
type sink struct {
	kept  []byte
	keep  int // bytes to keep
	total int
	max   int // more is an error

	out func(p []byte) error // takes everything in place of kept; nil without somebody who waits for it
}

func (s *sink) add(p []byte) error {
	if err := s.count(len(p)); err != nil {
		return err
	}
	if s.out != nil {
		return s.out(p)
	}
	if n := min(s.keep-len(s.kept), len(p)); n > 0 {
		s.kept = append(s.kept, p[:n]...)
	}
	return nil
}

func (s *sink) count(n int) error {
	s.total += n
	if s.total > s.max {
		return tooLarge("the answer is larger than %d bytes", s.max)
	}
	return nil
}

// framed says that the end of the body can be told without the end of the connection.
func (h *head) framed() bool { return h.chunked || h.length >= 0 || h.bodiless() }

func (h *head) bodiless() bool { return h.status == 204 || h.status == 304 }

// readBody moves the body that h announces into the sink.
func readBody(in *buffer, h *head, s *sink) error {
	switch {
	case h.bodiless():
		return nil
	case h.chunked:
		return readChunks(in, s)
	case h.length >= 0:
		return take(in, int(h.length), s)
	default:
		return readToEnd(in, s)
	}
}

// take moves n bytes. Large pieces that are kept are read straight to their place.
func take(in *buffer, n int, s *sink) error {
	for n > 0 {
		if len(in.unread()) == 0 && n >= bufferSize && s.keep-len(s.kept) >= n {
			return takeDirect(in, n, s)
		}
		if len(in.unread()) == 0 {
			if err := in.fill(bufferSize); err != nil {
				return err
			}
		}
		k := min(n, len(in.unread()))
		if err := s.add(in.unread()[:k]); err != nil {
			return err
		}
		in.r += k
		n -= k
	}
	return nil
}

func takeDirect(in *buffer, n int, s *sink) error {
	if err := s.count(n); err != nil {
		return err
	}
	have := len(s.kept)
	s.kept = slices.Grow(s.kept, n)[:have+n]
	_, err := io.ReadFull(in.src, s.kept[have:])
	return err
}

// readToEnd takes everything until the handler closes the connection.
func readToEnd(in *buffer, s *sink) error {
	for {
		if err := s.add(in.unread()); err != nil {
			return err
		}
		in.r = in.w
		if err := in.fill(bufferSize); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func readChunks(in *buffer, s *sink) error {
	for {
		size, err := chunkSize(in)
		if err != nil {
			return err
		}
		if size == 0 {
			return skipTrailer(in)
		}
		if size > s.max-s.total {
			return tooLarge("the answer is larger than %d bytes", s.max)
		}
		if err := take(in, size, s); err != nil {
			return err
		}
		line, err := in.line(maxChunkLine)
		if err != nil {
			return chunkError(err)
		}
		if len(line) > 0 {
			return bad("want the end of a chunk, got %.40q", line)
		}
	}
}

// chunkSize reads "1a3f;extension" as a size. Extensions mean nothing to us.
func chunkSize(in *buffer) (int, error) {
	line, err := in.line(maxChunkLine)
	if err != nil {
		return 0, chunkError(err)
	}
	digits, _, _ := bytes.Cut(line, []byte{';'})
	digits = bytes.TrimRight(digits, " \t")
	if len(digits) == 0 || len(digits) > 15 {
		return 0, bad("want the size of a chunk, got %.40q", line)
	}
	size := 0
	for _, c := range digits {
		d := hexDigit(c)
		if d < 0 {
			return 0, bad("want the size of a chunk, got %.40q", line)
		}
		size = size<<4 | d
	}
	return size, nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

// skipTrailer reads the fields after the last chunk. None of them may change what the answer means.
func skipTrailer(in *buffer) error {
	for left := maxTrailer; left > 0; {
		line, err := in.line(bufferSize)
		if err != nil {
			return chunkError(err)
		}
		if len(line) == 0 {
			return nil
		}
		left -= len(line)
	}
	return tooLarge("the trailer is larger than %d bytes", maxTrailer)
}

func chunkError(err error) error {
	if errors.Is(err, errFull) {
		return bad("want the size of a chunk, got a line without an end")
	}
	return err
}
