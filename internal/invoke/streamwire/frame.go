// Package streamwire owns the bytes of the framed handler protocol: how a frame of proto/pelton/handler/v1 is written and
// read, and how frames share a connection.
//
// The codec is written by hand over protowire because it runs for every event and because the sidecar must not carry
// protobuf's reflection; tests hold it equal to the generated code in both directions. The package knows nothing of calls
// in flight: the sidecar's side is streamcall, the handler's side the Go SDK. A Writer ends with Close, a Reader with its
// connection.
package streamwire

import "github.com/pelton-dev/pelton/internal/event"

// Version is the protocol version spoken here.
const Version = 1

// Kind says which message a frame carries. Its values are the field numbers in Frame.
type Kind uint8

// The kinds of frame. A frame of an unknown kind, or of none, decodes as KindNone and is to be ignored.
const (
	KindNone Kind = iota
	KindHello
	KindWelcome
	KindRefuse
	KindCall
	KindResult
	KindCancel
	KindGoodbye
	KindBatch
	KindBatchResult

	lastKind = KindBatchResult
)

// Outcome is the handler's verdict, numbered as on the wire.
type Outcome int32

// The outcomes of a Result.
const (
	OutcomeUnspecified Outcome = iota
	OutcomeDone
	OutcomeRetry
	OutcomeReject
	OutcomeTooLarge
)

// Hello is the handler's first frame.
type Hello struct {
	Version uint32
	SDK     string
	Batches bool
}

// Welcome is the sidecar's answer to a Hello it accepts.
type Welcome struct {
	Version          uint32
	Function         string
	Namespace        string
	Replica          string
	MaxResponse      uint64
	MaxFrame         uint64
	MaxBatchResponse uint64
}

// Refuse is the sidecar's answer to a Hello it does not accept.
type Refuse struct{ Reason string }

// Call is one attempt at one event. Event is nil if the frame carried none.
type Call struct {
	ID           uint64
	Event        *event.Event
	Attempt      uint32
	Redeliveries uint32
	Deadline     int64 // nanoseconds since the Unix epoch; 0 is none
	Epoch        uint64
}

// Result is what a call came to.
type Result struct {
	ID         uint64
	Outcome    Outcome
	RetryAfter int64 // nanoseconds
	Reason     string
	Reply      *event.Event
}

// Batch is one attempt at each of many events.
type Batch struct {
	ID       uint64
	Calls    []Call
	Deadline int64
}

// BatchResult is what a batch came to. All is set if it is about the batch as a whole.
type BatchResult struct {
	ID      uint64
	Results []Result
	All     *Result
}

// Cancel says that nobody waits for a call or a batch any more.
type Cancel struct{ ID uint64 }

// Frame is one decoded frame. Only the message that Kind names is meaningful.
type Frame struct {
	Kind    Kind
	Hello   Hello
	Welcome Welcome
	Refuse  Refuse
	Call    Call
	Result  Result
	Cancel  Cancel

	// These are pointers: a frame is cleared for each that comes, and few are batches.
	Batch       *Batch
	BatchResult *BatchResult
}
