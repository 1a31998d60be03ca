package event

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// decodeRaw makes an event of a message that knows nothing of CloudEvents. Its id and source are the same on every
// delivery. An empty payload is an event without data.
func decodeRaw(e *Event, m *Message, contentType string) error {
	b := builder{e: e}
	b.mark(attrSpecVersion)
	b.set(nameID, m.Stream+"-"+strconv.FormatUint(m.Sequence, 10))
	b.set(nameSource, "nats://"+url.PathEscape(m.Stream))
	b.set(nameType, m.Subject)
	b.set(nameSubject, m.Subject)
	if !m.Time.IsZero() {
		b.set(nameTime, m.Time.UTC().Format(time.RFC3339Nano))
	}
	e.Data = noneIfEmpty(m.Data)
	if code, _ := check(attrDataContentType, nameDataContentType, contentType); code != "" {
		contentType = GuessContentType(m.Data)
	}
	e.DataContentType = contentType
	if !b.finish() {
		return decodeError(b.problems)
	}
	return nil
}

// GuessContentType names the type of a payload that came without one: JSON, printable text, or bytes. It is "" for no
// payload at all.
func GuessContentType(data []byte) string {
	switch {
	case len(data) == 0:
		return ""
	case looksLikeJSON(data) && validJSON(data):
		return "application/json"
	case printable(data):
		return "text/plain; charset=utf-8"
	default:
		return "application/octet-stream"
	}
}

// looksLikeJSON looks at the first byte only, so that text costs no scan.
func looksLikeJSON(data []byte) bool {
	for _, c := range data {
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			continue
		}
		return isDigit(c) || strings.IndexByte(`{["-tfn`, c) >= 0
	}
	return false
}

func printable(data []byte) bool {
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		control := r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0x7F && r <= 0x9F
		if control || r == utf8.RuneError && size == 1 {
			return false
		}
		data = data[size:]
	}
	return true
}
