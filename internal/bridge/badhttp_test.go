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

// wireHead is a request line with a Host, to be completed.
func wireHead(method, path string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n"
}

// TestBadHTTPIsRefused goes through what is wrong below the level of events (reliability.md 3.1, the ids in brackets).
func TestBadHTTPIsRefused(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) { c.MaxBody = 1000 })
	post := wireHead("POST", "/events/x")
	chunked := post + "Transfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name, request string
		status        int
		code          string
		header        string // "Name: value" of one header the answer must have
	}{
		{"[B02] two Content-Lengths", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n12", 400, "malformed-request", ""},
		{"[B02] negative Content-Length", post + "Content-Length: -1\r\n\r\n", 400, "malformed-request", ""},
		{"[B02] signed Content-Length", post + "Content-Length: +2\r\n\r\n12", 400, "malformed-request", ""},
		{"[B02] Content-Length that is no number", post + "Content-Length: abc\r\n\r\n", 400, "malformed-request", ""},
		{"[B02] Content-Length over int64", post + "Content-Length: 99999999999999999999\r\n\r\n", 400, "malformed-request", ""},
		{"[B03] gzip as transfer encoding", post + "Transfer-Encoding: gzip\r\n\r\n", 501, "unsupported-transfer-encoding", ""},
		{"[B03] xchunked", post + "Transfer-Encoding: xchunked\r\n\r\n", 501, "unsupported-transfer-encoding", ""},
		{
			"[B03] chunked twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			501, "unsupported-transfer-encoding", "",
		},
		{"[B04] chunk size that is no number", chunked + "zz\r\n1\r\n0\r\n\r\n", 400, "malformed-body", ""},
		{"[B04] chunk longer than its size", chunked + "1\r\n123\r\n0\r\n\r\n", 400, "malformed-body", ""},
		{"[B05] space before the colon", post + "X-A : 1\r\n\r\n", 400, "malformed-request", ""},
		{"[B05] NUL in a header", post + "X-A: \x00\r\n\r\n", 400, "malformed-request", ""},
		{"[B05] no Host", "POST /events/x HTTP/1.1\r\n\r\n", 400, "malformed-request", ""},
		{"[B05] two Hosts", post + "Host: localhost\r\n\r\n", 400, "malformed-request", ""},
		{"[B05] HTTP/9.9", "POST /events/x HTTP/9.9\r\nHost: localhost\r\n\r\n", 505, "unsupported-version", ""},
		{"[B05] bad escape", wireHead("POST", "/events/%zz") + "\r\n", 400, "malformed-request", ""},
		{"[B05] not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "malformed-request", ""},
		{"[B07] 64 KiB of header", post + "X-A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", 431, "header-too-large", ""},
		{
			"[B07] a name of 8 KiB, 40 KiB in all", post + repeat(strings.Repeat("a", 8<<10)+"%d: 1\r\n", 5) + "\r\n",
			431, "header-too-large", "",
		},
		{"[B07] 200 fields", post + repeat("X-%d: 1\r\n", 200) + "\r\n", 431, "header-too-large", ""},
		{"[B07] 101 fields of one name", post + repeat("X-A: %d\r\n", 101) + "\r\n", 431, "header-too-large", ""},
		{"[B08] body over the limit, announced", post + "Content-Length: 1001\r\n\r\n", 413, "body-too-large", ""},
		{
			"[B08] body over the limit, chunked", chunked + "3e9\r\n" + strings.Repeat("x", 1001) + "\r\n0\r\n\r\n",
			413, "body-too-large", "",
		},
		{"[B11] GET", wireHead("GET", "/events/x") + "\r\n", 405, "method-not-allowed", "Allow: POST, OPTIONS"},
		{"[B11] PUT", wireHead("PUT", "/events/x") + "\r\n", 405, "method-not-allowed", "Allow: POST, OPTIONS"},
		{"[B11] TRACE", wireHead("TRACE", "/events/x") + "\r\n", 405, "method-not-allowed", "Allow: POST, OPTIONS"},
		{"[B11] FOO", wireHead("FOO", "/events/x") + "\r\n", 405, "method-not-allowed", "Allow: POST, OPTIONS"},
		{"[B11] PRI of HTTP/2", "PRI * HTTP/2.0\r\nHost: localhost\r\n\r\nSM\r\n\r\n", 505, "unsupported-version", ""},
		{
			"[B15] gzip", post + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n1",
			415, "unsupported-content-encoding", "Accept-Encoding: identity",
		},
		{
			"[B15] identity, then br", post + "Content-Encoding: identity\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\n1",
			415, "unsupported-content-encoding", "",
		},
		{
			"[B16] gzip announced huge", post + "Content-Encoding: gzip\r\nContent-Length: 10000000000\r\n\r\n",
			415, "unsupported-content-encoding", "",
		},
		{
			"[B17] Expect for something else", post + "Expect: tea\r\nContent-Length: 1\r\n\r\n1",
			417, "unsupported-expectation", "",
		},
		{
			"[B17] 100-continue over the limit", post + "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
			413, "body-too-large", "",
		},
		{
			"[B19] another event format", post + "Content-Type: application/cloudevents+xml\r\nContent-Length: 3\r\n\r\n<a>",
			415, "unsupported-media-type", "Accept-Post: " + acceptPost,
		},
		{"[B20] token in the URL", wireHead("POST", "/events/x?access_token=secret") + "\r\n", 400, "token-in-query", ""},
		{
			"[C22] webhook handshake", wireHead("OPTIONS", "/events/x") + "WebHook-Request-Origin: evil.example\r\n\r\n",
			403, "webhook-origin", "Allow: POST, OPTIONS",
		},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "not-found", ""},
		{"CONNECT", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "not-found", ""},
		{"another site's Host", "POST /events/x HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "host-not-allowed", ""},
		{
			"another site's absolute URL", "POST http://evil.example/events/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
			421, "host-not-allowed", "",
		},
		{"HTTP/1.0 without a Host", "POST /events/x HTTP/1.0\r\n\r\n", 421, "host-not-allowed", ""},
		{"plain data without a subject", wireHead("POST", "/events") + "Content-Length: 1\r\n\r\n1", 400, "not-an-event", ""},
		{
			"Idempotency-Key too long", post + "Idempotency-Key: " + strings.Repeat("k", 256) + "\r\n\r\n",
			400, "invalid-idempotency-key", "",
		},
		{"Idempotency-Key with a space", post + "Idempotency-Key: a b\r\n\r\n", 400, "invalid-idempotency-key", ""},
		{"Idempotency-Key empty", post + "Idempotency-Key:\r\n\r\n", 400, "invalid-idempotency-key", ""},
		{"Idempotency-Key twice", post + "Idempotency-Key: a\r\nIdempotency-Key: a\r\n\r\n", 400, "invalid-idempotency-key", ""},
		{"Content-Type that is none", post + "Content-Type: ///\r\nContent-Length: 1\r\n\r\n1", 400, "invalid-attribute", ""},
		{
			"Content-Type twice", post + "Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 1\r\n\r\n1",
			400, "duplicate-header", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := b.count(t)
			// [B10] whatever follows a bad request on its connection is not carried out
			second := wireHead("POST", "/events/second") + "Content-Length: 1\r\n\r\n1"
			a, rest := b.wire(t, tt.request+second)
			wantProblem(t, a, tt.status, tt.code)
			if !a.Close || rest != "" {
				t.Errorf("close %v, then %q; want the connection closed", a.Close, rest)
			}
			if name, value, _ := strings.Cut(tt.header, ": "); a.Header.Get(name) != value {
				t.Errorf("%s: %q, want %q", name, a.Header.Get(name), value)
			}
			b.unharmed(t, before)
		})
	}
}

// TestBadPathsAreNotFound has the rows B12 and B13: never a redirect, never another subject.
func TestBadPathsAreNotFound(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for _, path := range []string{
		"/events/../x", "/events/./x", "/events//x", "//events/x", "/events/x/", "/events/", "/events/x/../y", "/events/%2e%2e",
		"/%65vents/x", "/events%2fx", "/events/a%2fb", "/events/a%00b", "/events/a%0d%0ab", "/events/*", "/events/>",
		"/events/a.*",
		"/events/a.>", "/events/a..b", "/events/.a", "/events/a.", "/events/a%20b", "/events/a%2eb", "/events/%C3%A9",
		"/events/$JS",
		"/events/a:b", "/events/" + strings.Repeat("a", 65), "/events/" + strings.Repeat("a.", 16) + "a",
		"/events/" + strings.Repeat("abcdefghi.", 19) + "abcd", "/", "/event", "/eventsx", "/EVENTS/x", "/favicon.ico", "*",
	} {
		t.Run(path, func(t *testing.T) {
			before := b.count(t)
			for _, method := range []string{"POST", "GET"} {
				a, _ := b.wire(t, wireHead(method, path)+"Content-Length: 1\r\n\r\n1")
				code := "not-found"
				if strings.HasPrefix(path, "/events/") {
					code = "invalid-subject"
				}
				if a.StatusCode/100 == 3 {
					t.Fatalf("redirected to %s", a.Header.Get("Location"))
				}
				if path == "*" {
					code = a.code()
				}
				if a.StatusCode != 404 && path != "*" {
					t.Errorf("status %d, want 404", a.StatusCode)
				}
				wantProblem(t, a, a.StatusCode, code)
			}
			b.unharmed(t, before)
		})
	}
}

func (a answer) code() string {
	_, rest, _ := strings.Cut(string(a.body), `"code":"`)
	code, _, _ := strings.Cut(rest, `"`)
	return code
}

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

// TestOddHeadersKeepTheirMeaning is row B06: net/http takes bare line feeds, and joins folded lines with a space.
func TestOddHeadersKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	b := serve(t)
	a, _ := b.wire(t, "POST /events/x HTTP/1.1\nHost: localhost\nContent-Type: text/plain\nContent-Length: 1\n\n1")
	if e := b.decoded(t, wantAccepted(t, a).Sequence); e.DataContentType != "text/plain" {
		t.Errorf("data content type %q", e.DataContentType)
	}
	before := b.count(t)
	ce := wireHead("POST", "/events/x") + "ce-specversion: 1.0\r\nce-type: t\r\nce-source: /a\r\n b\r\nce-id: 1\r\n\r\n"
	a, _ = b.wire(t, ce)
	wantProblem(t, a, 400, "invalid-attribute")
	b.unharmed(t, before)
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

// TestSlowBodies is the stalled half of B08 and of B09.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) { c.ReadTimeout, c.HeaderTimeout = 1500*time.Millisecond, time.Second })
	for name, start := range map[string]string{
		"short of its length": wireHead("POST", "/events/x") + "Content-Length: 10\r\n\r\n123",
		"chunk without end":   wireHead("POST", "/events/x") + "Transfer-Encoding: chunked\r\n\r\n5\r\n12",
	} {
		t.Run(name, func(t *testing.T) {
			before := b.count(t)
			a, _ := b.wire(t, start)
			wantProblem(t, a, http.StatusRequestTimeout, "body-timeout")
			b.unharmed(t, before)
		})
	}
	t.Run("client hangs up", func(t *testing.T) {
		before := b.count(t)
		c := b.dial(t)
		if _, err := io.WriteString(c, wireHead("POST", "/events/x")+"Content-Length: 10\r\n\r\n123"); err != nil {
			t.Fatal(err)
		}
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		a, _ := readWire(t, c)
		wantProblem(t, a, http.StatusBadRequest, "malformed-body")
		b.unharmed(t, before)
	})
	t.Run("slow header", func(t *testing.T) {
		c := b.dial(t)
		if _, err := io.WriteString(c, "POST /events/x HT"); err != nil {
			t.Fatal(err)
		}
		a, rest := readWire(t, c)
		wantProblem(t, a, http.StatusBadRequest, "malformed-request")
		if rest != "" {
			t.Errorf("then %q", rest)
		}
	})
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
		b.cfg.MaxBody, b.cfg.MaxBatch, b.cfg.MaxConns, b.cfg.MaxConnsPerIP, b.cfg.StoreTimeout, b.cfg.DrainTimeout)
	if want := "5s 15s 30s 1m0s 16384 983040 100 1024 64 2.5s 5s"; got != want {
		t.Errorf("limits %s, want %s", got, want)
	}
}
