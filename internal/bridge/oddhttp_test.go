package bridge

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestValidPathsAtTheLimit(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for _, path := range []string{
		"/events/" + strings.Repeat("a", 64), "/events/" + strings.Repeat("a/", 15) + "a",
		"/events/" + strings.Repeat("abcdefghi.", 15) + strings.Repeat("x", 200-len("events.")-150), "/events/x?query=ignored",
	} {
		wantAccepted(t, b.post(t, path, "1"))
	}
}

// TestChunkedWithContentLength is row B01: the chunks count, and the connection is not used again.
func TestChunkedWithContentLength(t *testing.T) {
	t.Parallel()
	b := serve(t)
	smuggled := wireHead("POST", "/events/smuggled") + "Content-Length: 1\r\n\r\n1"
	head := wireHead("POST", "/events/x") + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
	a, rest := b.wire(t, head+"1\r\na\r\n0\r\n\r\n"+smuggled)
	if e := b.decoded(t, wantAccepted(t, a).Sequence); string(e.Data) != "a" {
		t.Errorf("data %q", e.Data)
	}
	if !a.Close || rest != "" || b.count(t) != 1 {
		t.Errorf("close %v, then %q; %d stored", a.Close, rest, b.count(t))
	}
}

// TestOddHeadersKeepTheirMeaning is row B06: net/http takes bare line feeds. (What it makes of folded lines is among the bad input.)
func TestOddHeadersKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	b := serve(t)
	a, _ := b.wire(t, "POST /events/x HTTP/1.1\nHost: localhost\nContent-Type: text/plain\nContent-Length: 1\n\n1")
	if e := b.decoded(t, wantAccepted(t, a).Sequence); e.DataContentType != "text/plain" {
		t.Errorf("data content type %q", e.DataContentType)
	}
}

func TestContinueComesAfterTheChecks(t *testing.T) {
	t.Parallel()
	b := serve(t)
	c := b.dial(t)
	request := wireHead("POST", "/events/x") + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("got %q, %v", line, err)
	}
	if _, err := io.WriteString(c, "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, read(t, resp))
}

func TestOptionsAnswersWhatIsAllowed(t *testing.T) {
	t.Parallel()
	b := serve(t)
	a := b.do(t, http.MethodOptions, "/events/x", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	if a.StatusCode != http.StatusNoContent || a.Header.Get("Allow") != "POST, OPTIONS" || len(a.body) != 0 {
		t.Errorf("got %d, Allow %q", a.StatusCode, a.Header.Get("Allow"))
	}
	for name := range a.Header {
		if strings.HasPrefix(name, "Access-Control") || strings.HasPrefix(name, "Webhook") {
			t.Errorf("answer has %s", name)
		}
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) { c.IdleTimeout = 200 * time.Millisecond })
	c := b.dial(t)
	if _, err := io.WriteString(c, wireHead("POST", "/events/x")+"Content-Length: 1\r\n\r\n1"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := read(t, resp); a.Close {
		t.Error("a good request closed its connection")
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want the connection closed", err)
	}
}

// TestDefaultLimits pins the numbers that the documentation promises.
func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	b := serve(t)
	srv := b.httpServer(t.Context())
	got := fmt.Sprint(srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout, srv.MaxHeaderBytes,
		b.cfg.MaxBody, b.cfg.MaxBodies, b.cfg.MaxBatch, b.cfg.MaxConns, b.cfg.MaxConnsPerIP, b.cfg.StoreTimeout, b.cfg.DrainTimeout)
	if want := "5s 15s 30s 1m0s 16384 1048576 67108864 100 1024 64 2.5s 5s"; got != want {
		t.Errorf("limits %s, want %s", got, want)
	}
}
