package httpcall_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

// TestAnswers sends each answer twice and tells from the number of connections whether the first was kept.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const ce = "ce-specversion: 1.0\r\nce-id: r\r\nce-source: /r\r\nce-type: rt\r\n"
	reply := func(data string) invoke.Outcome {
		return invoke.Outcome{Reply: &event.Event{ID: "r", Source: "/r", Type: "rt", Data: []byte(data)}}
	}
	tests := []struct {
		name, answer string
		want         invoke.Outcome
		kept         bool
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", invoke.Outcome{}, true},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", invoke.Outcome{}, true},
		{"no reason phrase", "HTTP/1.1 204\r\n\r\n", invoke.Outcome{}, true},
		{"any success", "HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n", invoke.Outcome{}, true},
		{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", invoke.Outcome{}, true},
		{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\ncontent-length:2\r\n\r\nok", invoke.Outcome{}, true},
		{"connection close", "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nok", invoke.Outcome{}, false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", invoke.Outcome{}, false},
		{"more than stated", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", invoke.Outcome{}, false},
		{
			"informational answers first",
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
			invoke.Outcome{},
			true,
		},
		{"reply", "HTTP/1.1 200 OK\r\n" + ce + "Content-Length: 2\r\n\r\nok", reply("ok"), true},
		{"reply without data", "HTTP/1.1 204 No Content\r\nCE-specversion: 1.0\r\n" + ce[21:] + "\r\n", reply(""), true},
		{
			"large reply", "HTTP/1.1 200 OK\r\n" + ce + "Content-Length: 700000\r\n\r\n" + repeat("x", 700000),
			reply(repeat("x", 700000)), true,
		},
		{
			"chunks",
			"HTTP/1.1 200 OK\r\n" + ce + "Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\nA;x=y\r\n0123456789\r\n00\r\n\r\n",
			reply("ok0123456789"), true,
		},
		{
			"large chunks",
			"HTTP/1.1 200 OK\r\n" + ce + "Transfer-Encoding: chunked\r\n\r\n" +
				repeat("2000\r\n"+repeat("y", 0x2000)+"\r\n", 20) + "0\r\n\r\n",
			reply(repeat("y", 20*0x2000)), true,
		},
		{
			"trailer",
			"HTTP/1.1 200 OK\r\n" + ce + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nce-id: x\r\nB: c\r\n\r\n",
			reply("ok"), true,
		},
		{
			"structured reply",
			"HTTP/1.1 200 OK\r\nContent-Type: application/cloudevents+json\r\nContent-Length: 56\r\n\r\n" +
				`{"specversion":"1.0","id":"r","source":"/r","type":"rt"}`,
			invoke.Outcome{Reply: &event.Event{ID: "r", Source: "/r", Type: "rt"}},
			true,
		},
		{
			"long header", "HTTP/1.1 200 OK\r\nX: " + repeat("x", 60000) + "\r\nContent-Length: 2\r\n\r\nok",
			invoke.Outcome{},
			true,
		},
		{
			"error", "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\nContent-Length: 4\r\n\r\nbusy",
			invoke.Outcome{Kind: invoke.Retry, After: 2 * time.Minute, Reason: "HTTP 503: busy"},
			true,
		},
		{
			"error without a body", "HTTP/1.1 422 Unprocessable Entity\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n",
			invoke.Outcome{Kind: invoke.Reject, Reason: "HTTP 422: Unprocessable Entity"},
			true,
		},
		{
			"error that looks like a reply", "HTTP/1.1 500 Oops\r\n" + ce + "Content-Length: 2\r\n\r\nno",
			invoke.Outcome{Kind: invoke.Retry, Reason: "HTTP 500: no"},
			true,
		},
		{
			"error in many lines of bytes",
			"HTTP/1.1 400 Bad Request\r\nContent-Length: 10\r\n\r\na\r\n\xff\x00b\x1b[1m",
			invoke.Outcome{Kind: invoke.Reject, Reason: "HTTP 400: a  \uFFFD b [1m"},
			true,
		},
		{
			"error with a long body", "HTTP/1.1 400 Bad\r\nContent-Length: 30000\r\n\r\n" + repeat("æ", 15000),
			invoke.Outcome{Kind: invoke.Reject, Reason: "HTTP 400: " + repeat("æ", 507)},
			true,
		},
		{
			"error whose body is too long", "HTTP/1.1 400 Bad\r\nContent-Length: 9000000\r\n\r\n" + repeat("x", 70000),
			invoke.Outcome{Kind: invoke.Reject, Reason: "HTTP 400: " + repeat("x", 1014)},
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newRawServer(t, "unix", always(tt.answer))
			inv := s.invoker(t, httpcall.Config{})
			for range 2 {
				got, err := inv.Invoke(t.Context(), newCall("x"))
				if err != nil {
					t.Fatalf("invoke: %v", err)
				}
				if diff := cmp.Diff(tt.want, got, cmp.Comparer(bytes.Equal)); diff != "" {
					t.Fatalf("outcome differs (-want +got):\n%s", diff)
				}
				if len(got.Reason) > invoke.MaxReason || !utf8.ValidString(got.Reason) {
					t.Errorf("reason of %d bytes is too long or no UTF-8", len(got.Reason))
				}
			}
			if kept := s.connections() == 1; kept != tt.kept {
				t.Errorf("connection kept: got %v, want %v", kept, tt.kept)
			}
		})
	}
}

// TestBadAnswers: the handler closes the connection after each.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	tests := []struct{ name, answer, code string }{
		{"nothing", "", invoke.CodeCrash},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-Le", invoke.CodeCrash},
		{"half a body", ok + "Content-Length: 10\r\n\r\nhalf", invoke.CodeCrash},
		{"half a large reply", ok + "ce-id: 1\r\nContent-Length: 100000\r\n\r\nhalf", invoke.CodeCrash},
		{"only informational", "HTTP/1.1 100 Continue\r\n\r\n", invoke.CodeCrash},
		{"half a chunk", chunked + "10\r\nhalf", invoke.CodeCrash},
		{"no last chunk", chunked + "2\r\nok\r\n", invoke.CodeCrash},
		{"half a trailer", chunked + "0\r\nA: b\r\n", invoke.CodeCrash},
		{"another protocol", "220 mail.example.com ESMTP\r\n", invoke.CodeBadResponse},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", invoke.CodeBadResponse},
		{"no minor version", "HTTP/1.x 200 OK\r\n\r\n", invoke.CodeBadResponse},
		{"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", invoke.CodeBadResponse},
		{"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", invoke.CodeBadResponse},
		{"status with a sign", "HTTP/1.1 +20 OK\r\n\r\n", invoke.CodeBadResponse},
		{"status 0", "HTTP/1.1 000 OK\r\n\r\n", invoke.CodeBadResponse},
		{"status 600", "HTTP/1.1 600 OK\r\n\r\n", invoke.CodeBadResponse},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", invoke.CodeBadResponse},
		{"not modified", "HTTP/1.1 304 Not Modified\r\n\r\n", invoke.CodeBadResponse},
		{"switching protocols", "HTTP/1.1 101 Switching Protocols\r\n\r\n", invoke.CodeBadResponse},
		{"two lengths", ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", invoke.CodeBadResponse},
		{"two lengths in one", ok + "Content-Length: 2, 3\r\n\r\nok", invoke.CodeBadResponse},
		{"negative length", ok + "Content-Length: -2\r\n\r\nok", invoke.CodeBadResponse},
		{"signed length", ok + "Content-Length: +2\r\n\r\nok", invoke.CodeBadResponse},
		{"length of words", ok + "Content-Length: two\r\n\r\nok", invoke.CodeBadResponse},
		{"no length", ok + "Content-Length:\r\n\r\nok", invoke.CodeBadResponse},
		{"length over 63 bits", ok + "Content-Length: 99999999999999999999\r\n\r\nok", invoke.CodeBadResponse},
		{"length and chunks", ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", invoke.CodeBadResponse},
		{"chunks and length", ok + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", invoke.CodeBadResponse},
		{
			"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			invoke.CodeBadResponse,
		},
		{"other encoding", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", invoke.CodeBadResponse},
		{
			"chunked twice",
			ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", invoke.CodeBadResponse,
		},
		{"folded field", ok + "A: b\r\n c\r\n\r\n", invoke.CodeBadResponse},
		{"space before the colon", ok + "Content-Length : 2\r\n\r\nok", invoke.CodeBadResponse},
		{"no colon", ok + "Content-Length\r\n\r\nok", invoke.CodeBadResponse},
		{"no name", ok + ": x\r\n\r\nok", invoke.CodeBadResponse},
		{"NUL in a value", ok + "A: b\x00c\r\n\r\n", invoke.CodeBadResponse},
		{"carriage return in a value", ok + "A: b\rContent-Length: 0\r\n\r\n", invoke.CodeBadResponse},
		{"size of a chunk", chunked + "xyz\r\n", invoke.CodeBadResponse},
		{"empty size of a chunk", chunked + "\r\n", invoke.CodeBadResponse},
		{"negative size of a chunk", chunked + "-1\r\n", invoke.CodeBadResponse},
		{"prefixed size of a chunk", chunked + "0x1\r\n", invoke.CodeBadResponse},
		{"size of a chunk over 63 bits", chunked + "ffffffffffffffffff\r\n", invoke.CodeBadResponse},
		{"end of a chunk", chunked + "2\r\nokay\r\n0\r\n\r\n", invoke.CodeBadResponse},
		{"line without an end", chunked + "1;" + repeat("x", 100000), invoke.CodeBadResponse},
		{"broken event", ok + "ce-specversion: 1.0\r\nce-id: 1\r\nContent-Length: 0\r\n\r\n", invoke.CodeBadResponse},
		{
			"batch of events", ok + "Content-Type: application/cloudevents-batch+json\r\nContent-Length: 2\r\n\r\n[]",
			invoke.CodeBadResponse,
		},
		{"huge header", ok + repeat("A: "+repeat("x", 1000)+"\r\n", 100), invoke.CodeResponseTooLarge},
		{"one huge field", ok + "A: " + repeat("x", 100000), invoke.CodeResponseTooLarge},
		{"informational without end", repeat("HTTP/1.1 100 Continue\r\n\r\n", 10000), invoke.CodeResponseTooLarge},
		{"huge trailer", chunked + "0\r\n" + repeat("A: "+repeat("x", 1000)+"\r\n", 100), invoke.CodeResponseTooLarge},
		{"stated too large", ok + "Content-Length: 1048577\r\n\r\n", invoke.CodeResponseTooLarge},
		{"chunk too large", chunked + "fffffffffffffff\r\n", invoke.CodeResponseTooLarge},
		{"too many chunks", chunked + repeat("4000\r\n"+repeat("x", 0x4000)+"\r\n", 65), invoke.CodeResponseTooLarge},
		{"to the end too large", ok + "\r\n" + repeat("x", 1048577), invoke.CodeResponseTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newRawServer(t, "unix", func(_ int, c *rawConn) {
				if _, _, err := c.request(); err == nil {
					c.say(tt.answer)
				}
			})
			o, err := s.invoker(t, httpcall.Config{}).Invoke(t.Context(), newCall("x"))
			wantCode(t, o, err, tt.code)
		})
	}
}

func wantCode(t *testing.T, o invoke.Outcome, err error, code string) {
	t.Helper()
	var e *invoke.Error
	if !errors.As(err, &e) || e.Code != code || errors.Is(err, invoke.ErrNotReady) {
		t.Errorf("got %+v, %v; want code %s", o, err, code)
	}
}

// The end of the connection ends a body that has no other end.
func TestBodyToTheEnd(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, "tcp", func(_ int, c *rawConn) {
		if _, _, err := c.request(); err == nil {
			c.say("HTTP/1.0 200 OK\r\nce-specversion: 1.0\r\nce-id: r\r\nce-source: /r\r\nce-type: t\r\n\r\n" + repeat("x", 100000))
		}
	})
	o, err := s.invoker(t, httpcall.Config{}).Invoke(t.Context(), newCall("x"))
	if err != nil || o.Reply == nil || string(o.Reply.Data) != repeat("x", 100000) {
		t.Errorf("got %d bytes, %v", len(o.Reply.Data), err)
	}
}

func TestStatusTable(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, "unix", func(_ int, c *rawConn) {
		for {
			_, body, err := c.request()
			if err != nil || !c.say(fmt.Sprintf("HTTP/1.1 %s X\r\nContent-Length: 0\r\nRetry-After: 5\r\n\r\n", body)) {
				return
			}
		}
	})
	inv := s.invoker(t, httpcall.Config{})
	for status := 200; status < 600; status++ {
		if status == 304 {
			continue
		}
		o, err := inv.Invoke(t.Context(), newCall(strconv.Itoa(status)))
		switch {
		case status < 300:
			want(t, status, o, err, invoke.Done, 0)
		case status < 400:
			wantCode(t, o, err, invoke.CodeBadResponse)
		case status >= 500, status == 404, status == 408, status == 409, status == 425, status == 429:
			want(t, status, o, err, invoke.Retry, 5*time.Second)
		default:
			want(t, status, o, err, invoke.Reject, 0)
		}
	}
}

func want(t *testing.T, status int, o invoke.Outcome, err error, kind invoke.Kind, after time.Duration) {
	t.Helper()
	if err != nil || o.Kind != kind || o.After != after {
		t.Errorf("status %d: got %+v, %v; want %s after %s", status, o, err, kind, after)
	}
	if kind != invoke.Done && !strings.HasPrefix(o.Reason, fmt.Sprintf("HTTP %d", status)) {
		t.Errorf("status %d: reason %q", status, o.Reason)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	past := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	far := time.Now().Add(100 * time.Hour).UTC().Format(http.TimeFormat)
	day := 24 * time.Hour
	tests := []struct {
		value    string
		min, max time.Duration
	}{
		{"0", 0, 0},
		{"90", 90 * time.Second, 90 * time.Second},
		{"86401", day, day},
		{"99999999999999999999999", day, day},
		{"-5", 0, 0},
		{"1.5", 0, 0},
		{"soon", 0, 0},
		{"", 0, 0},
		{soon, 50 * time.Minute, time.Hour},
		{past, 0, 0},
		{far, day, day},
	}
	for _, tt := range tests {
		s := newRawServer(t, "unix", always("HTTP/1.1 503 X\r\nRetry-After: "+tt.value+"\r\nContent-Length: 0\r\n\r\n"))
		o, err := s.invoker(t, httpcall.Config{}).Invoke(t.Context(), newCall("x"))
		if err != nil || o.After < tt.min || o.After > tt.max {
			t.Errorf("Retry-After %q: got %s, %v; want %s to %s", tt.value, o.After, err, tt.min, tt.max)
		}
	}
}
