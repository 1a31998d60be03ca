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
	if p := s.beginBody(w, r, t, s.cfg.MaxBody); p != nil {
		return nil, p
	}
	body, whole, p := s.readAll(r, t)
	if p == nil && !whole {
		p = bodyTooLarge(s.cfg.MaxBody, t)
	}
	return body, p
}

// beginBody refuses what is known to be wrong with a body before a byte of it is read.
func (s *Server) beginBody(w http.ResponseWriter, r *http.Request, t target, most int64) *problem {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if e := strings.TrimSpace(encoding); e != "" && !strings.EqualFold(e, "identity") && !t.plain {
			return kindEncoding.refuse("Send the body as it is, without Content-Encoding.").with("Accept-Encoding", "identity")
		}
	}
	if r.ContentLength > most {
		return bodyTooLarge(most, t)
	}
	if r.ContentLength < 0 {
		// net/http drops a Content-Length that comes with a chunked body without a word. A proxy in front may have believed
		// that one, and then the next bytes are not what they seem: none are read.
		w.Header().Set("Connection", "close")
	}
	return nil
}

// firstRead bounds the memory taken on the word of a Content-Length: the budget has room for as many as there are connections.
const firstRead = 4 << 10

// readAll reads a body into memory that the budget has given. It is not whole if there is more of it than MaxBody.
func (s *Server) readAll(r *http.Request, t target) (body []byte, whole bool, p *problem) {
	most := s.cfg.MaxBody + 1 // one more shows that there is more, or the end
	if r.ContentLength >= 0 {
		most = r.ContentLength + 1
	}
	share, size := s.bodies.share(t), min(most, firstRead)
	for {
		if len(body) == cap(body) {
			if !connOf(r).load.grow(share, int64(cap(body)), size) {
				return nil, false, s.noRoom()
			}
			body = append(make([]byte, 0, size), body...)
			size = min(most, 4*size)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > s.cfg.MaxBody:
			return body, false, nil
		case errors.Is(err, io.EOF):
			return body, true, nil
		case err != nil:
			return nil, false, s.bodyFault(err)
		}
	}
}

func bodyTooLarge(most int64, t target) *problem {
	advice := "Keep large data elsewhere and send a reference to it."
	switch {
	case t.maxBody > most:
		advice = "An event in the JSON format is read as a whole: send larger data in binary mode, or as it is."
	case t.work && t.webhook == nil && t.maxBody == 0:
		advice = "More is taken where the function's HTTP trigger has maxBody; or keep large data elsewhere and send a reference to it."
	}
	return kindBodyTooLarge.refuse("A body may have at most %d bytes. %s", most, advice)
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
