// Package deadletter owns dead letters: events whose delivery has ended without Done, kept with their bytes, their headers
// and the reason, until somebody replays or discards them or their time is up.
//
// It writes and reads the stream PELTON_DEAD, whose configuration belongs to package stream. It does not decide what is
// dead: the sidecar does. Every function is one or a few requests to the server and returns; there is nothing to stop.
package deadletter

import (
	"errors"
	"time"
)

// The reasons of dead letters. They appear in headers, run records and metrics, and do not change.
const (
	ReasonRejected    = "rejected"    // the handler refused the event for good
	ReasonAttempts    = "attempts"    // every attempt that the function allows has failed
	ReasonExpired     = "expired"     // the event is older than retry.maxAge
	ReasonUndecodable = "undecodable" // the message is not an event
	ReasonCrashLoop   = "crash-loop"  // the event was delivered again and again and nobody lived to settle it
	ReasonTooLarge    = "too-large"   // the event leaves no room to park it for another attempt, or its body none to call the handler
	ReasonBodyLost    = "body-lost"   // the event's large body, which is kept beside the queue, is missing or damaged
	ReasonDeleted     = "deleted"     // the function was deleted while the event waited for it
)

// Reasons returns all of them.
func Reasons() []string {
	return []string{
		ReasonRejected, ReasonAttempts, ReasonExpired, ReasonUndecodable, ReasonCrashLoop, ReasonTooLarge, ReasonBodyLost, ReasonDeleted,
	}
}

// MaxError bounds Letter.Error in bytes; what is longer is cut.
const MaxError = 4 << 10

// ErrNotFound says that no dead letter has the id: it was replayed, discarded, or kept for its full time.
var ErrNotFound = errors.New("no such dead letter")

// Letter is one dead letter. Function, Reason, and what describes the original message are the writer's; ID is the server's.
type Letter struct {
	ID        uint64              `json:"id"` // sequence in PELTON_DEAD; set when read
	Namespace string              `json:"namespace"`
	Function  string              `json:"function"`
	Reason    string              `json:"reason"`               // one of the reasons above
	Error     string              `json:"error,omitempty"`      // what the handler or the decoder said last
	Attempts  int                 `json:"attempts"`             // attempts made; 0 if the handler was never called
	Stream    string              `json:"stream"`               // where the original message was stored
	Sequence  uint64              `json:"sequence"`             // its sequence there
	Subject   string              `json:"subject"`              // its NATS subject
	Stored    time.Time           `json:"stored"`               // when it was stored there
	Died      time.Time           `json:"died"`                 // when delivery ended
	Header    map[string][]string `json:"header,omitempty"`     // its headers, without Nats-* and Pelton-Dead-*
	Data      []byte              `json:"dataBase64,omitempty"` // its bytes
}
