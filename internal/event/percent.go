package event

import (
	"strings"
	"unicode/utf8"
)

// Header values carry attributes as the NATS and HTTP bindings say: space, double quote, percent and everything outside
// U+0021..U+007E is percent-encoded UTF-8. Readers also accept the quoted strings of older versions of the bindings.

const upperHex = "0123456789ABCDEF"

func mustEncode(c byte) bool { return c <= ' ' || c == '"' || c == '%' || c > '~' }

// encodeValue returns s itself when nothing needs encoding.
func encodeValue(s string) string {
	for i := range len(s) {
		if mustEncode(s[i]) {
			return string(appendEncoded(make([]byte, 0, len(s)+16), s))
		}
	}
	return s
}

func appendEncoded(dst []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		c := s[i]
		if !mustEncode(c) {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&0xF])
		start = i + 1
	}
	return append(dst, s[start:]...)
}

// decodeValue undoes quoting, then one round of percent-encoding. The fault is "" or says what is wrong with the encoding.
// A value that needs no decoding is returned as it is.
func decodeValue(s string) (value, fault string) {
	s = strings.Trim(s, " \t")
	if strings.HasPrefix(s, `"`) {
		if s, fault = unquoteHeader(s); fault != "" {
			return "", fault
		}
	}
	first := strings.IndexByte(s, '%')
	if first < 0 {
		return s, ""
	}
	out := append(make([]byte, 0, len(s)), s[:first]...)
	for i := first; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return "", "has a % that is not followed by two hexadecimal digits (write % as %25)"
		}
		out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
		i += 2
	}
	if !utf8.Valid(out) {
		return "", "is not valid UTF-8 after percent-decoding: want percent-encoded UTF-8"
	}
	return string(out), ""
}

// unquoteHeader reads a quoted-string of RFC 9110.
func unquoteHeader(s string) (value, fault string) {
	const unterminated = "begins with a double quote but is not one quoted string: want one, or each double quote as %22"
	out := make([]byte, 0, len(s))
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			if i != len(s)-1 {
				return "", unterminated
			}
			return string(out), ""
		case '\\':
			i++
			if i == len(s) {
				return "", unterminated
			}
		}
		out = append(out, s[i])
	}
	return "", unterminated
}

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
