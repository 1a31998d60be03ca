package bridge

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzRawEvent: a plain request becomes a valid event or a refusal of its own fault.
func FuzzRawEvent(f *testing.F) {
	f.Add("application/json", "key-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b", "/x?a=b", []byte("{}"))
	f.Add("application/x-www-form-urlencoded", "", "", "", "/", []byte(`{"a":1}`))
	f.Add("///", "a b", "x", "\x00", "/%zz?%zz", []byte("\xff"))
	f.Fuzz(func(t *testing.T, contentType, key, parent, state, path string, body []byte) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		r := &http.Request{Method: http.MethodPost, URL: u, Header: http.Header{
			"Content-Type": {contentType}, "Idempotency-Key": {key}, "Traceparent": {parent}, "Tracestate": {state},
		}}
		for _, to := range []target{{subject: "events.x"}, {subject: "pelton.work.default.f.http", path: "/f", work: true}} {
			e, p := rawEvent(r, to, body)
			switch {
			case p != nil && (e != nil || p.Status != http.StatusBadRequest || p.Detail == ""):
				t.Errorf("refused with %+v", p)
			case p == nil && len(e.Validate()) > 0:
				t.Errorf("made an event that is not valid: %v", e.Validate())
			}
		}
	})
}

// FuzzHost: only a name that is allowed gets in, however it is written.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"localhost", "LOCALHOST:80", "[::1]:1", "127.0.0.1", "evil.example", "localhost.", "[::1", "a:b:c", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := hostName(s)
		if name != strings.ToLower(name) || name != strings.ToLower(s) && !strings.HasPrefix(strings.ToLower(s), name+":") {
			t.Errorf("%q is called %q", s, name)
		}
	})
}

// FuzzLibraryAnswer: an answer of ours is never taken for one of net/http's.
func FuzzLibraryAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request" + libraryHead + "400 Bad Request"))
	f.Add([]byte(libraryExpectation + "\r\n"))
	f.Add([]byte("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nDate: x\r\n\r\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k := libraryAnswer(b)
		if k == nil {
			return
		}
		if k.status < 400 || !strings.HasPrefix(string(b), "HTTP/1.1 ") {
			t.Errorf("%q is replaced by %d", b, k.status)
		}
		answer := plainAnswer(k.refuse("%s", libraryDetail(*k)))
		if resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(answer))), nil); err != nil || resp.StatusCode != k.status {
			t.Errorf("our answer cannot be read: %v\n%s", err, answer)
		}
	})
}

// FuzzWire sends whatever comes over a connection. Every answer is HTTP, none is a 500, and the server goes on.
func FuzzWire(f *testing.F) {
	for _, g := range badGroups() {
		for i, row := range g.rows {
			if i%16 == 0 && len(row.request) < 1<<12 {
				f.Add([]byte(row.request))
			}
		}
	}
	f.Add([]byte(binaryPost()))
	f.Add([]byte(wirePost("/events", document(), "Content-Type", structured)))
	f.Add([]byte(wirePost("/events", batchOf(3), "Content-Type", batch)))
	b := serve(f)
	f.Fuzz(func(t *testing.T, request []byte) {
		c := b.dial(t)
		_, _ = c.Write(request) // the server may have heard enough before the end
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
		r := bufio.NewReader(c)
		for {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusInternalServerError {
				t.Fatalf("%q is answered with %d", request, resp.StatusCode)
			}
		}
		wantAccepted(t, b.post(t, "/events/good", "1"))
	})
}
