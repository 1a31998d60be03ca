package bridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// libraryHead follows the status line of what net/http answers by itself, as plain text, to a request that it cannot read.
// No handler's answer looks like that: net/http adds a Date to those.
const libraryHead = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// libraryExpectation begins its answer to an Expect header that it does not know.
const libraryExpectation = "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\n"

// libraryAnswer recognises an answer that net/http writes without calling a handler. Nothing of it is kept.
func libraryAnswer(b []byte) *kind {
	const maxAnswer = 512
	if len(b) > maxAnswer || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return nil
	}
	if bytes.HasPrefix(b, []byte(libraryExpectation)) {
		return &kindExpectation
	}
	line, rest, _ := bytes.Cut(b, []byte("\r\n"))
	if !bytes.HasPrefix(rest, []byte(libraryHead[2:])) || len(line) < len("HTTP/1.1 400") {
		return nil
	}
	switch string(line[len("HTTP/1.1 "):len("HTTP/1.1 400")]) {
	case "400":
		return &kindBadRequest
	case "431":
		return &kindTooManyFields
	case "501":
		return &kindTransferEncoding
	case "505":
		return &kindVersion
	}
	return nil
}

func libraryDetail(k kind) string {
	switch k.status {
	case http.StatusRequestHeaderFieldsTooLarge:
		return fmt.Sprintf("Send at most %d bytes of header.", maxHeaderBytes)
	case http.StatusNotImplemented:
		return "Send a Content-Length, or Transfer-Encoding: chunked and nothing else."
	case http.StatusHTTPVersionNotSupported:
		return "Use HTTP/1.1."
	case http.StatusExpectationFailed:
		return "Leave the Expect header out, or send 100-continue."
	}
	return "The request line or a header field breaks the rules of HTTP/1.1. Send METHOD PATH HTTP/1.1, one Host, one length, " +
		"and fields as Name: value."
}

// plainAnswer writes a whole response with p, for connections that no handler sees.
func plainAnswer(p *problem) []byte {
	id := uuid.Must(uuid.NewV7()).String()
	p.Instance = instanceOf(id)
	body, err := json.Marshal(p)
	if err != nil {
		body = nil // a problem is made of strings and numbers
	}
	var b strings.Builder
	b.WriteString("HTTP/1.1 " + strconv.Itoa(p.Status) + " " + http.StatusText(p.Status) + "\r\n")
	b.WriteString("Content-Type: " + problemType + "\r\n" + headerRequestID + ": " + id + "\r\n")
	b.WriteString("Content-Length: " + strconv.Itoa(len(body)+1) + "\r\nConnection: close\r\n")
	for name, values := range p.header {
		b.WriteString(name + ": " + values[0] + "\r\n")
	}
	b.WriteString("\r\n" + string(body) + "\n")
	return []byte(b.String())
}
