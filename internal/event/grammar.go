package event

import (
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"
)

// textFault says what is wrong with a CloudEvents string, or "". Control characters, non-characters and invalid UTF-8 are
// not allowed in any attribute.
func textFault(s string) string {
	if printableASCII(s) {
		return ""
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return "is not valid UTF-8"
		case r < 0x20 || (r >= 0x7F && r <= 0x9F):
			return fmt.Sprintf("has the control character U+%04X", r)
		case nonCharacter(r):
			return fmt.Sprintf("has the non-character U+%04X", r)
		}
		i += size
	}
	return ""
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7E {
			return false
		}
	}
	return true
}

// nonCharacter reports the code points Unicode reserves for internal use.
func nonCharacter(r rune) bool {
	return (r >= 0xFDD0 && r <= 0xFDEF) || r&0xFFFE == 0xFFFE
}

// validName reports whether s can name an attribute: a-z and 0-9 only, and not the name of the data member.
func validName(s string) bool {
	if s == "" || len(s) > MaxName || s == memberData {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// lowerASCII folds A-Z only: strings.ToLower would also turn a Kelvin sign into a k.
func lowerASCII(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return lowerFrom(s, i)
		}
	}
	return s
}

func lowerFrom(s string, first int) string {
	b := []byte(s)
	for i := first; i < len(b); i++ {
		if b[i] >= 'A' && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// validURI reports whether s is a URI-reference of RFC 3986, with a scheme if absolute. It checks what the grammar says of
// characters, escapes and the scheme, and leaves the parts of an authority alone.
func validURI(s string, absolute bool) bool {
	if s == "" || !validURIBytes(s) {
		return false
	}
	end := strings.IndexAny(s, ":/?#")
	if end < 0 || s[end] != ':' {
		return !absolute
	}
	return validScheme(s[:end])
}

func validURIBytes(s string) bool {
	fragments := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isAlphanumeric(c):
		case c == '#':
			fragments++
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		case strings.IndexByte("-._~:/?[]@!$&'()*+,;=", c) < 0:
			return false
		}
	}
	return fragments <= 1
}

func validScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := (c|0x20) >= 'a' && (c|0x20) <= 'z'
		if !letter && (i == 0 || (!isAlphanumeric(c) && strings.IndexByte("+-.", c) < 0)) {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return (c|0x20) >= 'a' && (c|0x20) <= 'z' || isDigit(c)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || (c|0x20) >= 'a' && (c|0x20) <= 'f' }

// validMediaType reports whether s is a media type of RFC 2046, with or without parameters.
func validMediaType(s string) bool {
	t := tokenLen(s)
	if t == 0 || t == len(s) || s[t] != '/' {
		return false
	}
	n := t + 1 + tokenLen(s[t+1:])
	if n == t+1 {
		return false
	}
	if n == len(s) {
		return true
	}
	if !printableASCII(s) {
		return false
	}
	_, _, err := mime.ParseMediaType(s)
	return err == nil
}

// tokenLen is the length of the RFC 9110 token that s begins with.
func tokenLen(s string) int {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return i
		}
	}
	return len(s)
}

// mediaType returns s without parameters.
func mediaType(s string) string {
	if i := strings.IndexByte(s, ';'); i >= 0 {
		s = s[:i]
	}
	return strings.Trim(s, " \t")
}

// declaresJSON reports whether a datacontenttype says that the data is JSON: */json or */*+json.
func declaresJSON(contentType string) bool {
	m := mediaType(contentType)
	sub := m[strings.IndexByte(m, '/')+1:]
	return strings.EqualFold(sub, "json") || hasSuffixFold(sub, "+json")
}

// utf8Charset reports whether text of this type can be written as UTF-8: no charset, or one that UTF-8 contains.
func utf8Charset(contentType string) bool {
	if strings.IndexByte(contentType, ';') < 0 {
		return true
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii":
		return true
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
