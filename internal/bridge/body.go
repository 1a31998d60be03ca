package bridge

import (
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
	return s.readAll(r, t)
}

// firstRead bounds the memory taken on the word of a Content-Length: the budget has room for as many as there are connections.
const firstRead = 16 << 10

// readAll reads a body into memory that the budget has given.
func (s *Server) readAll(r *http.Request, t target) ([]byte, *problem) {
	most := s.cfg.MaxBody + 1 // one more shows that there is more, or the end
	if r.ContentLength >= 0 {
		most = r.ContentLength + 1
	}
	share, size := s.bodies.share(t), min(most, firstRead)
	var body []byte
	for {
		if len(body) == cap(body) {
			if !connOf(r).load.grow(share, int64(cap(body)), size) {
				return nil, s.noRoom()
			}
			body = append(make([]byte, 0, size), body...)
			size = min(most, 4*size)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > s.cfg.MaxBody:
			return nil, s.bodyTooLarge()
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, s.bodyFault(err)
		}
	}
}

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
