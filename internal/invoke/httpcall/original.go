package httpcall

import (
	"strconv"
	"strings"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// appendOriginal appends the head of the request that the event was made of, for a web application that knows nothing of
// events. Whoever may publish to the function's queue has written it: nothing of it may change where the request ends, and it
// speaks for one hop no more.
func (i *Invoker) appendOriginal(b []byte, r request) []byte {
	line := originalLine(r.call)
	b = append(b, line...)
	b = append(b, " HTTP/1.1\r\n"...)
	host := false
	for _, field := range r.call.Request.Fields {
		name, value, ok := strings.Cut(field, ":")
		value = strings.Trim(value, " \t")
		if !ok || !event.IsPlainField(name) || !isSafeValue(value) || ofOneHop(name) || host && strings.EqualFold(name, "host") {
			continue
		}
		host = host || strings.EqualFold(name, "host")
		b = append(b, name...)
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, "\r\n"...)
	}
	if !host {
		b = append(b, i.start[len("POST / HTTP/1.1\r\n"):]...)
	}
	b = append(b, "Pelton-Id: "...)
	b = appendVisible(b, r.call.Event.ID)
	b = append(b, "\r\n"...)
	b = appendMetadata(b, r.call)
	if r.length() > 0 || !bodiless(line) {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.length(), 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// originalLine is the method and the target that are sent.
func originalLine(call *invoke.Call) string {
	if line := call.Request.Line; isRequestLine(line) {
		return line
	}
	return "POST /"
}

// isRequestLine says that s is a method and a path, and nothing that could be more than that.
func isRequestLine(s string) bool {
	method, target, ok := strings.Cut(s, " ")
	return ok && isFieldName(method) && strings.HasPrefix(target, "/") &&
		strings.IndexFunc(target, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// bodiless says that a request without a body is usual for the method: some servers take a Content-Length for the promise of one.
func bodiless(line string) bool {
	method, _, _ := strings.Cut(line, " ")
	return method != "POST" && method != "PUT" && method != "PATCH"
}

// isHead says that what is sent asks for a header alone.
func isHead(call *invoke.Call) bool {
	return call.Request != nil && strings.HasPrefix(originalLine(call), "HEAD ")
}

// isFieldName says that s is a token as HTTP has them.
func isFieldName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// isSafeValue says that s stays on its line. Bytes above ASCII are left as they are.
func isSafeValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// appendVisible appends an id, with what cannot stand in a header left out.
func appendVisible(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] > ' ' && s[i] <= '~' {
			b = append(b, s[i])
		}
	}
	return b
}

// ofOneHop says that a field is about a connection or the length of a body, not about what is asked or answered.
func ofOneHop(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
		"transfer-encoding", "upgrade", "content-length", "expect", "pelton-id", "pelton-attempt", "pelton-epoch",
		"pelton-redeliveries":
		return true
	}
	return false
}
