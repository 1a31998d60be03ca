package event

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of arrays and objects in a JSON document.
const maxDepth = 1000

// scanner checks JSON (RFC 8259) and cuts it into raw values. encoding/json cannot be used: it replaces invalid UTF-8 and
// lone surrogates, lets the last of two equal keys win, and does not give back the bytes of a value in order of reading.
type scanner struct {
	data []byte
	pos  int
}

// syntaxError is a place where a document stops being JSON.
type syntaxError struct {
	offset int
	fault  string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.fault, e.offset) }

func (s *scanner) fail(fault string) error { return &syntaxError{s.pos, fault} }

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take consumes c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.pos == len(s.data) {
		return false
	}
	s.pos++
	return true
}

// end reports an error if anything but white space is left.
func (s *scanner) end() error {
	s.peek()
	if s.pos < len(s.data) {
		return s.fail("found more text after the end of the document")
	}
	return nil
}

// value reads one value and returns its bytes.
func (s *scanner) value(depth int) ([]byte, error) {
	c := s.peek()
	start := s.pos
	var err error
	switch {
	case s.pos == len(s.data):
		err = s.fail("document ends where a value should be")
	case c == '"':
		_, err = s.text()
	case c == '{':
		err = s.object(depth, s.skipMember)
	case c == '[':
		err = s.array(depth, s.skipElement)
	case c == '-' || isDigit(c):
		err = s.number()
	default:
		err = s.literal()
	}
	return s.data[start:s.pos:s.pos], err
}

func (s *scanner) skipMember(_ []byte, depth int) error { return s.skipElement(depth) }

func (s *scanner) skipElement(depth int) error {
	_, err := s.value(depth)
	return err
}

// object reads {...}; member is called with the raw key when the value comes next, and must read it.
func (s *scanner) object(depth int, member func(key []byte, depth int) error) error {
	if depth++; depth > maxDepth {
		return s.fail("document is nested too deep")
	}
	s.pos++
	if s.take('}') {
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.fail("want a member name in double quotes")
		}
		key, err := s.text()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.fail("want : after a member name")
		}
		if err := member(key, depth); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.fail("want , or } after a member")
		}
	}
}

// array reads [...]; element is called when a value comes next, and must read it.
func (s *scanner) array(depth int, element func(depth int) error) error {
	if depth++; depth > maxDepth {
		return s.fail("document is nested too deep")
	}
	s.pos++
	if s.take(']') {
		return nil
	}
	for {
		if err := element(depth); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.fail("want , or ] after an element")
		}
	}
}

// text reads a string and returns it with its quotes and escapes.
func (s *scanner) text() ([]byte, error) {
	start := s.pos
	s.pos++
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start:s.pos:s.pos], nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		case c < 0x20:
			return nil, s.fail("found a control character in a string")
		case c < utf8.RuneSelf:
			s.pos++
		default:
			r, size := utf8.DecodeRune(s.data[s.pos:])
			if r == utf8.RuneError && size == 1 {
				return nil, s.fail("found invalid UTF-8")
			}
			s.pos += size
		}
	}
	return nil, s.fail("document ends within a string")
}

func (s *scanner) escape() error {
	rest := s.data[s.pos:]
	if len(rest) < 2 {
		return s.fail("document ends within a string")
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case 'u':
		if _, ok := hex4(rest); !ok {
			return s.fail("want four hexadecimal digits after \\u")
		}
		s.pos += 6
		return nil
	}
	return s.fail("found an unknown escape in a string")
}

// hex4 reads \uXXXX at the start of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		if !isHex(c) {
			return 0, false
		}
		r = r<<4 | rune(unhex(c))
	}
	return r, true
}

func (s *scanner) number() error {
	s.accept('-')
	switch {
	case s.accept('0'):
	case s.digitRun():
	default:
		return s.fail("want a digit")
	}
	if s.accept('.') && !s.digitRun() {
		return s.fail("want a digit after the decimal point")
	}
	if s.accept('e') || s.accept('E') {
		if !s.accept('+') {
			s.accept('-')
		}
		if !s.digitRun() {
			return s.fail("want a digit in the exponent")
		}
	}
	return nil
}

// accept consumes c without skipping white space.
func (s *scanner) accept(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digitRun() bool {
	start := s.pos
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) literal() error {
	for _, word := range [...]string{"true", "false", "null"} {
		if rest := s.data[s.pos:]; len(rest) >= len(word) && string(rest[:len(word)]) == word {
			s.pos += len(word)
			return nil
		}
	}
	return s.fail("want a JSON value")
}

// validJSON reports whether data is one JSON value, with or without white space around it.
func validJSON(data []byte) bool {
	s := scanner{data: data}
	if _, err := s.value(0); err != nil {
		return false
	}
	return s.end() == nil
}

// unquoteJSON decodes a string that text has read. It reports false for a surrogate without its other half.
func unquoteJSON(raw []byte) ([]byte, bool) {
	raw = raw[1 : len(raw)-1]
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		if raw[i+1] != 'u' {
			out = append(out, unescape(raw[i+1]))
			i += 2
			continue
		}
		r, _ := hex4(raw[i:])
		i += 6
		if utf16.IsSurrogate(r) {
			low, _ := hex4(raw[i:])
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return nil, false
			}
			i += 6
		}
		out = utf8.AppendRune(out, r)
	}
	return out, true
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
