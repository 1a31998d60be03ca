package httpcall

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// maxHead bounds the status line and header of an answer, with the informational answers before it.
const maxHead = 64 << 10

// head is what matters of the status line and the header.
type head struct {
	status     int
	length     int64 // -1 if not stated
	chunked    bool
	close      bool
	isEvent    bool // carries CloudEvents attributes, or says that its body is one
	retryAfter time.Duration
	keepAlive  time.Duration
	fields     []byte // the header as it was read, valid until the next read
}

func bad(format string, args ...any) error {
	return &invoke.Error{Code: invoke.CodeBadResponse, Err: fmt.Errorf(format, args...)}
}

func tooLarge(format string, args ...any) error {
	return &invoke.Error{Code: invoke.CodeResponseTooLarge, Err: fmt.Errorf(format, args...)}
}

// readHead reads the head of the final answer; informational ones are skipped.
func readHead(in *buffer) (head, error) {
	left := maxHead
	for {
		raw, err := rawHead(in, left)
		if err != nil {
			return head{}, err
		}
		left -= len(raw)
		h, err := parseHead(raw)
		if err != nil || h.status >= 200 {
			return h, err
		}
		if h.status == http.StatusSwitchingProtocols {
			return head{}, bad("status 101: no other protocol was asked for")
		}
	}
}

// rawHead returns the bytes up to the empty line that ends a head, valid until the next read.
func rawHead(in *buffer, limit int) ([]byte, error) {
	for seen := 0; ; {
		b := in.unread()
		if n := headEnd(b, seen); n > 0 {
			in.r += n
			return b[:n], nil
		}
		if !looksLikeHTTP(b) {
			return nil, bad("want an HTTP/1 answer, got %.40q", b)
		}
		seen = max(0, len(b)-3)
		err := errFull
		if len(b) < limit {
			err = in.fill(maxHead)
		}
		if errors.Is(err, errFull) {
			return nil, tooLarge("the header is larger than %d bytes", maxHead)
		}
		if err != nil {
			return nil, err
		}
	}
}

// headEnd returns the length of the head in b, or 0 if it is not complete. Lines may end with a bare line feed.
func headEnd(b []byte, from int) int {
	for i := from; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n
		rest := b[i+1:]
		if len(rest) > 0 && rest[0] == '\n' {
			return i + 2
		}
		if len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n' {
			return i + 3
		}
	}
	return 0
}

func looksLikeHTTP(b []byte) bool {
	const start = "HTTP/1."
	n := min(len(b), len(start))
	return string(b[:n]) == start[:n]
}

func parseHead(raw []byte) (head, error) {
	line, fields := cutLine(raw)
	h := head{length: -1, fields: fields}
	if err := h.parseStatus(line); err != nil {
		return head{}, err
	}
	for len(fields) > 0 {
		line, fields = cutLine(fields)
		if len(line) == 0 {
			break
		}
		if err := h.parseField(line); err != nil {
			return head{}, err
		}
	}
	switch {
	case h.chunked && h.length >= 0:
		return head{}, bad("the answer states both a length and chunks")
	case h.chunked && isOld(raw): // others would take the chunks' sizes for data
		return head{}, bad("an answer in HTTP/1.0 has no chunks")
	}
	return h, nil
}

// parseStatus reads "HTTP/1.1 200 OK".
func (h *head) parseStatus(line []byte) error {
	const start = len("HTTP/1.1 200")
	if !looksLikeHTTP(line) || len(line) < start || line[8] != ' ' || len(line) > start && line[start] != ' ' {
		return bad("want a status line, got %.80q", line)
	}
	status, err := strconv.Atoi(string(line[9:start]))
	if err != nil || status < 100 || line[7] < '0' || line[7] > '9' {
		return bad("want a status line, got %.80q", line)
	}
	h.status = status
	// A handler that speaks HTTP/1.0 closes the connection unless both sides say otherwise. We do not.
	h.close = isOld(line)
	return nil
}

// isOld reports whether a status line is of HTTP/1.0.
func isOld(line []byte) bool { return line[7] == '0' }

func (h *head) parseField(line []byte) error {
	name, value, err := cutField(line)
	if err != nil {
		return err
	}
	switch {
	case hasFold(name, "ce-"):
		h.isEvent = true
	case isFold(name, "content-type"):
		h.isEvent = h.isEvent || hasFold(value, "application/cloudevents")
	case isFold(name, "content-length"):
		return h.parseLength(value)
	case isFold(name, "transfer-encoding"):
		if h.chunked || !isFold(value, "chunked") {
			return bad("transfer encoding %.80q: want chunked, once", value)
		}
		h.chunked = true
	case isFold(name, "connection"):
		h.close = h.close || hasToken(value, "close")
	case isFold(name, "keep-alive"):
		h.keepAlive = parseKeepAlive(value)
	case isFold(name, "retry-after"):
		h.retryAfter = parseRetryAfter(string(value), time.Now())
	}
	return nil
}

// parseLength reads a length, which may be repeated as long as it stays the same.
func (h *head) parseLength(value []byte) error {
	for part := range bytes.SplitSeq(value, []byte{','}) {
		n, ok := parseDigits(trim(part))
		if !ok || h.length >= 0 && h.length != n {
			return bad("content length %.80q: want one number", value)
		}
		h.length = n
	}
	return nil
}

// parseDigits reads a number of at most 18 digits and nothing else.
func parseDigits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// header returns all fields as net/http has them.
func (h *head) header() http.Header {
	header := http.Header{}
	for fields := h.fields; len(fields) > 0; {
		var line []byte
		line, fields = cutLine(fields)
		if len(line) == 0 {
			break
		}
		// parseHead has accepted every field.
		name, value, _ := cutField(line)
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		header[key] = append(header[key], string(value))
	}
	return header
}
