package bridge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// readBody reads the whole body within the limit. A Content-Length over the limit is refused before a byte is read, so a
// client that waits for 100 Continue never sends it.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, t target) ([]byte, *problem) {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if e := strings.TrimSpace(encoding); e != "" && !strings.EqualFold(e, "identity") && !t.plain {
			return nil, kindEncoding.refuse("Send the body as it is, without Content-Encoding.").with("Accept-Encoding", "identity")
		}
	}
	if r.ContentLength > s.cfg.MaxBody {
		return nil, s.bodyTooLarge()
	}
	if r.ContentLength < 0 {
		// net/http drops a Content-Length that comes with a chunked body without a word. A proxy in front may have believed
		// that one, and then the next bytes are not what they seem: none are read.
		w.Header().Set("Connection", "close")
	}
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength, firstRead)) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(r.Body, s.cfg.MaxBody+1))
	switch {
	case err != nil:
		return nil, s.bodyFault(err)
	case n > s.cfg.MaxBody:
		return nil, s.bodyTooLarge()
	}
	return b.Bytes(), nil
}

// firstRead bounds the memory taken on the word of a Content-Length.
const firstRead = 64 << 10

func (s *Server) bodyTooLarge() *problem {
	return kindBodyTooLarge.refuse("A body may have at most %d bytes. Keep large data elsewhere and send a reference to it.",
		s.cfg.MaxBody)
}

// bodyFault says what went wrong in our words: those of net/http name addresses.
func (s *Server) bodyFault(err error) *problem {
	var netErr net.Error
	switch {
	case errors.As(err, &netErr) && netErr.Timeout():
		return kindSlowBody.refuse("The whole request must arrive within %s.", s.cfg.ReadTimeout).because(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return kindBadBody.refuse("The body ended before its announced length: send as many bytes as the header says.").because(err)
	}
	return kindBadBody.refuse("The body does not follow its transfer encoding. Send a Content-Length, or chunks as RFC 9112 has them.").because(err)
}
