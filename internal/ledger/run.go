// Package ledger owns run records: one for each attempt at each event, saying what it came to.
//
// Records are for people (the terminal, `pelton send --wait`, the dashboard); no delivery decision rests on them, so they
// are written in batches and may lag or be lost in a crash. Writer.Run ends on its context after a last flush.
package ledger

import "time"

// The outcomes of a run, as they stand in a record.
const (
	OutcomeDone     = "done"
	OutcomeRetry    = "retry"    // parked; Next says until when
	OutcomeDead     = "dead"     // a dead letter; Reason says why
	OutcomeFailed   = "failed"   // the caller who waited for the answer was told; Reason says why
	OutcomeFiltered = "filtered" // the trigger's filter did not match
	OutcomeReturned = "returned" // handed back to the queue unharmed: not an attempt
)

// Run is one attempt at one event.
type Run struct {
	Namespace   string        `json:"namespace"`
	Function    string        `json:"function"`
	EventID     string        `json:"id"`
	EventSource string        `json:"source"`
	EventType   string        `json:"type"`
	Stream      string        `json:"stream"` // where this attempt's message was stored
	Sequence    uint64        `json:"sequence"`
	Attempt     int           `json:"attempt"`
	MaxAttempts int           `json:"maxAttempts"`
	Outcome     string        `json:"outcome"`
	Reason      string        `json:"reason,omitempty"` // code: rejected, attempts, expired, timeout, crash, ...
	Error       string        `json:"error,omitempty"`  // what the handler said
	Replica     string        `json:"replica"`
	Started     time.Time     `json:"started"`
	Wait        time.Duration `json:"waitNs"`            // stored (or due) until the handler was called
	Cold        time.Duration `json:"coldNs,omitempty"`  // the part of Wait that was the replica's start; 0 if it was warm
	Duration    time.Duration `json:"durationNs"`        // inside the handler
	Next        time.Time     `json:"next,omitzero"`     // retry: when it is due
	Rests       time.Duration `json:"restsNs,omitempty"` // how long the replica asks for nothing now, as call after call has failed
}

// Recorder takes run records. Record must not block.
type Recorder interface{ Record(Run) }

// RecorderFunc makes a function a Recorder.
type RecorderFunc func(Run)

// Record calls f.
func (f RecorderFunc) Record(r Run) { f(r) }
