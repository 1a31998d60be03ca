package bridge

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/pelton-dev/pelton/internal/event"
)

// problemType is the media type of every answer that is an error.
const problemType = "application/problem+json"

// problemBase begins the type of every problem. With the code it makes a stable name; nothing is fetched from there.
const problemBase = "https://pelton.dev/problems/"

// problem is why a request was refused (RFC 9457). Its texts say what was wrong and what to do, and never hold an address,
// a file, a secret or what the server or a library said: that is cause, which is logged.
type problem struct {
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail"`
	Instance string          `json:"instance"`
	Code     string          `json:"code"`
	Errors   []event.Problem `json:"errors,omitempty"`

	header http.Header
	cause  error
}

// kind is a class of problems. Codes do not change.
type kind struct {
	status      int
	code, title string
}

// refuse makes a problem of the kind. The detail is a format.
func (k kind) refuse(detail string, args ...any) *problem {
	return &problem{
		Type: problemBase + k.code, Title: k.title, Status: k.status, Code: k.code,
		Detail: fmt.Sprintf(detail, args...), header: http.Header{},
	}
}

func (p *problem) with(header, value string) *problem {
	p.header.Set(header, value)
	return p
}

func (p *problem) because(err error) *problem {
	p.cause = err
	return p
}

// retryLater asks for another try after 1 to 5 seconds, at random, so that refused callers do not come back together.
func (p *problem) retryLater() *problem {
	return p.with("Retry-After", strconv.Itoa(1+rand.IntN(5)))
}

// instanceOf names one occurrence of a problem by the id of its request.
func instanceOf(requestID string) string { return "urn:uuid:" + requestID }

// write answers with p. The id of the request is in the headers already.
func (p *problem) write(w http.ResponseWriter) error {
	p.Instance = instanceOf(w.Header().Get(headerRequestID))
	for name, values := range p.header {
		w.Header()[name] = values
	}
	return writeJSON(w, p.Status, problemType, p)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	body = append(body, '\n')
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}
