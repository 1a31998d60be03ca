// Package invoke owns one call of a handler: what is asked, and what it came to.
//
// One sub-package per handler protocol implements Invoker, and all of them pass the conformance suite in invoketest. An
// Invoker knows nothing of queues, retries or settlement: it reports an Outcome, and the sidecar decides. Close ends it;
// after Close no goroutine, connection or child process of it is left.
package invoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
)

// Invoker calls one handler replica. It is safe for concurrent use; how many calls run at once is the caller's concern.
type Invoker interface {
	// WaitReady returns nil once the handler accepts calls, or ctx's error. It costs next to nothing when it already does.
	WaitReady(ctx context.Context) error

	// Invoke gives one event to the handler and waits for its answer, until call.Deadline or until ctx ends.
	//
	// The Outcome is what the handler said. The error is set when the handler said nothing that can be understood: it
	// wraps ErrNotReady when the handler certainly did not see the event, and is an *Error otherwise. Exactly one of the
	// two is meaningful.
	Invoke(ctx context.Context, call *Call) (Outcome, error)

	// Close cuts calls that still run and releases everything. It is idempotent.
	Close() error
}

// Call is one attempt at one event.
type Call struct {
	Event        *event.Event
	Function     string // namespace/name
	Attempt      int    // 1 for the first
	Redeliveries int    // earlier deliveries of this attempt that ended without a settlement (a killed sidecar)
	Deadline     time.Time
	Epoch        uint64 // grows with each leader of a function that has an order; 0 without

	// Request is set if the event was an HTTP request. Protocols that know nothing of requests pass over it.
	Request *Request

	// Body is set if the data is too large to be part of the event, which has none then. It is for protocols that can hand data on as
	// they read it; others are given no such calls.
	Body Body

	// Answer is set if somebody waits for the answer itself. Where the handler answers in HTTP, whatever it says goes there,
	// and the Outcome is Done; any other protocol leaves it alone, and says by its Outcome what came of the event.
	Answer Responder

	// Kept, if it is not nil, is filled with the answer where the handler answers in HTTP. The Outcome is what it says all the same; but a
	// redirect is Done, as whoever asks for the answer can follow it, and no length is too much.
	Kept *Answer
}

// Kind is what an invocation came to.
type Kind uint8

// The three kinds of outcome.
const (
	Done Kind = iota
	Retry
	Reject
)

// String names the kind as run records and messages do.
func (k Kind) String() string {
	switch k {
	case Done:
		return "done"
	case Retry:
		return "retry"
	default:
		return "reject"
	}
}

// Outcome is the handler's verdict on one event.
type Outcome struct {
	Kind   Kind
	After  time.Duration // Retry: the earliest next attempt the handler asked for; 0 leaves it to the back-off
	Reason string        // Retry and Reject: what the handler said, at most MaxReason bytes, valid UTF-8
	Reply  *event.Event  // Done: the event the handler returned, if any. Missing attributes are filled in by the caller
}

// MaxReason bounds Outcome.Reason and the text of an *Error, in bytes.
const MaxReason = 1024

// DefaultMaxResponse bounds the bytes an invoker reads of one answer.
const DefaultMaxResponse = 1 << 20

// ErrNotReady says that the handler did not see the event: nothing listened, or nothing was sent. It is not an attempt.
var ErrNotReady = errors.New("handler is not ready")

// The codes of an *Error. They appear in run records, dead letters and metrics, and do not change.
const (
	CodeTimeout          = "timeout"            // no answer before the deadline
	CodeCrash            = "crash"              // the handler went away in the middle of the call
	CodeBadResponse      = "bad-response"       // an answer that the protocol does not allow
	CodeResponseTooLarge = "response-too-large" // an answer over the limit
	CodeBody             = "body-unreadable"    // Call.Body could not be read to its end: the handler is not to blame
	CodeCanceled         = "canceled"           // ctx ended: the caller gave up, the handler is not to blame
)

// Error is a call without an understandable answer. The handler may have done its work or not.
type Error struct {
	Code string
	Err  error
}

// Error describes the failure with its code.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Code, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
