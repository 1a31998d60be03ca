package httpcall

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds how far a handler can put off an event.
const maxRetryAfter = 24 * time.Hour

// cutLine splits off the first line, without its end.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// cutField splits a header line. Folded lines, spaces in names and control characters are refused: what one reader takes
// for a value another takes for a field.
func cutField(line []byte) (name, value []byte, err error) {
	n := bytes.IndexByte(line, ':')
	if n <= 0 {
		return nil, nil, bad("want a header field, got %.80q", line)
	}
	name, value = line[:n], trim(line[n+1:])
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return nil, nil, bad("header field name %.80q: character %q is not allowed", name, c)
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, bad("header field %.80q: character %q is not allowed", name, c)
		}
	}
	return name, value, nil
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t") }

// isFold compares b with a lower-case ASCII word, whatever the case of b.
func isFold(b []byte, word string) bool { return len(b) == len(word) && hasFold(b, word) }

// hasFold is isFold for the beginning of b.
func hasFold(b []byte, word string) bool {
	if len(b) < len(word) {
		return false
	}
	for i := range len(word) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// hasToken says whether a comma-separated list holds a lower-case word.
func hasToken(list []byte, word string) bool {
	for part := range bytes.SplitSeq(list, []byte{','}) {
		if isFold(trim(part), word) {
			return true
		}
	}
	return false
}

// parseKeepAlive returns how long an idle connection may be used again, from "timeout=5, max=100": a little less than
// what the handler says, so that it does not close what we are about to use. It is 0 if nothing is said.
func parseKeepAlive(value []byte) time.Duration {
	for part := range bytes.SplitSeq(value, []byte{','}) {
		if part = trim(part); !hasFold(part, "timeout=") {
			continue
		}
		if n, ok := parseDigits(part[len("timeout="):]); ok && n < 1<<20 {
			stated := time.Duration(n) * time.Second
			return max(stated-time.Second, stated/2, time.Millisecond)
		}
	}
	return 0
}

// parseRetryAfter reads seconds or a date. What it cannot read, and a date in the past, is no wish at all.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if isDigits(value) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
