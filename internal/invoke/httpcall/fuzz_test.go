package httpcall

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// FuzzAnswer reads arbitrary bytes as an answer. What we take for one must be the same to net/http, so that no two
// readers on the way disagree about where an answer ends.
func FuzzAnswer(f *testing.F) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, seed := range []string{
		ok + "Content-Length: 2\r\n\r\nok",
		ok + "ce-id: 1\r\nContent-Length: 2\r\n\r\nok",
		ok + "ce-id: 1\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 503 No\nRetry-After: 5\n\nbusy",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 204\r\nKeep-Alive: timeout=5\r\nConnection: close\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	const maxResponse = 4 << 10
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &conn{in: buffer{src: bytes.NewReader(b), b: make([]byte, bufferSize)}}
		a, err := readAnswer(c, wants{max: maxResponse})
		if len(a.body) > maxResponse || cap(c.in.b) > maxHead {
			t.Fatalf("kept %d bytes, buffer of %d", len(a.body), cap(c.in.b))
		}
		var e *invoke.Error
		if err != nil {
			if !errors.As(err, &e) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		if _, err := a.outcome(); err != nil && !errors.As(err, &e) {
			t.Fatalf("untyped error: %v", err)
		}
		if a.kind == invoke.Done && a.header != nil {
			sameToNetHTTP(t, b, &a)
		}
	})
}

func sameToNetHTTP(t *testing.T, b []byte, a *answer) {
	in := bufio.NewReader(bytes.NewReader(b))
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: http.MethodPost})
		if err != nil {
			return // it is stricter, which is its right
		}
		if res.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return
		}
		if res.StatusCode != a.head.status || !bytes.Equal(body, a.body) {
			t.Fatalf("read status %d and %q, net/http reads %d and %q", a.head.status, a.body, res.StatusCode, body)
		}
		return
	}
}
