package httpcall

import (
	"io"
	"math"
	"strings"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// relay hands an answer on as it comes to whoever waits for it. Every final status is an answer. It is the same reading as that of
// other answers, with a place to go for what is read: no more than a buffer of it is here at any time.
func relay(c *conn, h head, w wants) (answer, error) {
	if h.status < 200 || h.status > 599 {
		return answer{}, bad("status %d: want 200 to 599", h.status)
	}
	framed, length := h.framed(), h.length
	if err := w.to.Begin(h.status, h.answerFields(w.head)); err != nil {
		return answer{}, err
	}
	s := sink{max: math.MaxInt, out: func(p []byte) error {
		_, err := w.to.Write(p)
		return err
	}}
	if !w.head {
		if h.chunked || length < 0 { // it may be one that goes on for hours: what is said is passed on before more is awaited
			defer flushing(&c.in, w.to)()
		}
		if err := readBody(&c.in, &h, &s); err != nil {
			return answer{}, err
		}
	}
	c.keepAlive = h.keepAlive
	reusable := !h.close && (framed || w.head) && len(c.in.unread()) == 0
	return answer{head: h, kind: invoke.Done, reusable: reusable}, nil
}

// answerFields are the fields of an answer that are about it, and not about the connection. It copies them.
func (h *head) answerFields(isHead bool) []string {
	named := h.connectionFields()
	var fields []string
	for rest := h.fields; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		name, value, _ := cutField(line) // parseHead has accepted every field
		length := isFold(name, "content-length") && (isHead || !h.bodiless() || h.status == 304)
		if ofOneHop(string(name)) && !length || strings.Contains(named, ","+strings.ToLower(string(name))+",") {
			continue
		}
		fields = append(fields, string(name)+": "+string(value))
	}
	return fields
}

// connectionFields are the names that Connection fields list, in lower case, with commas around each.
func (h *head) connectionFields() string {
	list := ","
	for rest := h.fields; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		if name, value, _ := cutField(line); isFold(name, "connection") {
			for part := range strings.SplitSeq(string(value), ",") {
				list += strings.ToLower(strings.Trim(part, " \t")) + ","
			}
		}
	}
	return list
}

// flushing has everything that was read passed on before the connection is read again, which may take long. The returned function
// ends that.
func flushing(in *buffer, to invoke.Responder) func() {
	src := in.src
	in.src = &flushReader{src, to}
	return func() { in.src = src }
}

type flushReader struct {
	src io.Reader
	to  invoke.Responder
}

// Read flushes, and then reads.
func (r *flushReader) Read(p []byte) (int, error) {
	if err := r.to.Flush(); err != nil {
		return 0, err
	}
	return r.src.Read(p)
}
