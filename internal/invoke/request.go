package invoke

import (
	"context"
	"io"
)

// Request is the HTTP request that an event was made of, for handlers that are web applications.
type Request struct {
	Line   string   // method and target, as in "GET /tasks?done=1"
	Fields []string // "Name: value"
}

// Answer is what a handler has answered in HTTP.
type Answer struct {
	Status int      // 0 without one
	Fields []string // "Name: value"
	Body   []byte
	Cut    bool // the body was too large to be kept, or broke off, and is left out
}

// Responder takes the answer of a handler for somebody who waits for it, as it comes. It is used by one call; an error says
// that nobody wants the rest.
type Responder interface {
	// Begin takes the status and the header, as "Name: value". It is called once, before any Write. Only an error of the call
	// after it ends an answer that has begun.
	Begin(status int, fields []string) error

	// Write takes a piece of the body. It may wait for a slow reader, and does not keep p.
	io.Writer

	// Flush is called when the handler says nothing for now: what it has said is to be seen.
	Flush() error
}

// Body is the data of an event that is not in it. It is used by one call.
type Body interface {
	// Size is how many bytes it has.
	Size() int64

	// Open begins to read at the beginning, each time. An error other than io.EOF says that what was read is not the whole body, and a
	// handler must not take it for that. ctx bounds the reading.
	Open(ctx context.Context) io.Reader
}
