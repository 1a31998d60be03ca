package sidecar

import (
	"errors"
	"fmt"
	"time"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// action is what becomes of a message.
type action uint8

const (
	ackDone    action = iota // publish the reply, if any, then acknowledge
	park                     // store the next attempt as a schedule, then acknowledge
	bury                     // store a dead letter, then acknowledge
	handBack                 // nak: the handler did not see it, or was cut by our own shutdown; not an attempt
	passOn                   // store the same attempt for a replica of a newer manifest, then acknowledge
	ackNoMatch               // acknowledge: no trigger takes it
	giveUp                   // acknowledge: the caller who waited for it knows, and nothing is kept
	overtaken                // acknowledge: another copy of it was settled
)

// settlement is the decision on one message.
type settlement struct {
	action action
	reason string        // code, for records: a dead letter's reason, or what ended the attempt
	text   string        // what the handler said
	delay  time.Duration // park, passOn, handBack
	reply  *event.Event  // ackDone
	asked  bool          // park, bury: the handler named a delay
	early  bool          // bury: decided before the handler was called at this attempt
}

// notReadyDelay is how long a message rests that met a handler which does not listen.
const notReadyDelay = time.Second

// attemptFacts is what settling needs to know of a message.
type attemptFacts struct {
	attempt int
	stored  time.Time // when the event was first stored
	now     time.Time
	timeout time.Duration // what the attempt was given
	caller  bool          // that was all that its caller had left
}

// decide maps what an invocation came to onto what becomes of its message: the settlement table of the design. jitter is
// uniform in [0, 1).
func decide(o invoke.Outcome, err error, f attemptFacts, r function.Retry, jitter float64) settlement {
	switch {
	case err != nil:
		return decideError(err, f, r, jitter)
	case o.Kind == invoke.Reject:
		return settlement{action: bury, reason: deadletter.ReasonRejected, text: o.Reason}
	case o.Kind == invoke.Retry:
		return again("retry", o.Reason, o.After, f, r, jitter)
	default:
		return settlement{action: ackDone, reply: o.Reply}
	}
}

// decideError is for a handler that said nothing that can be understood.
func decideError(err error, f attemptFacts, r function.Retry, jitter float64) settlement {
	var failed *invoke.Error
	switch {
	case errors.Is(err, invoke.ErrNotReady):
		return settlement{action: handBack, reason: "not-ready", text: err.Error(), delay: notReadyDelay}
	case errors.As(err, &failed) && failed.Code == invoke.CodeCanceled:
		return settlement{action: handBack, reason: failed.Code, text: err.Error()}
	case errors.As(err, &failed) && failed.Code == invoke.CodeBody:
		return unreadable(failed)
	case errors.As(err, &failed) && failed.Code == invoke.CodeTimeout:
		return again(failed.Code, "no answer within "+f.given(), 0, f, r, jitter)
	case errors.As(err, &failed):
		return again(failed.Code, failed.Err.Error(), 0, f, r, jitter)
	default:
		return again("error", err.Error(), 0, f, r, jitter)
	}
}

// given says what time an attempt had, and whose.
func (f attemptFacts) given() string {
	if f.caller {
		return fmt.Sprintf("%v, after which the caller waits no longer", f.timeout.Round(time.Millisecond))
	}
	return f.timeout.String() + " (spec.timeout)"
}

// again parks the next attempt, unless attempts or age are spent.
func again(reason, text string, after time.Duration, f attemptFacts, r function.Retry, jitter float64) settlement {
	if f.attempt >= r.MaxAttempts {
		return settlement{action: bury, reason: deadletter.ReasonAttempts, text: reason + ": " + text, asked: after > 0}
	}
	delay := after
	if delay <= 0 {
		delay = backoff(f.attempt, r, jitter)
	}
	if expired(f.stored, f.now.Add(delay), r) {
		return settlement{action: bury, reason: deadletter.ReasonExpired, text: reason + ": " + text, asked: after > 0}
	}
	return settlement{action: park, reason: reason, text: text, delay: delay, asked: after > 0}
}

// backoff is full jitter above a floor: uniform between minBackoff and minBackoff doubled with each attempt, at most
// maxBackoff.
func backoff(attempt int, r function.Retry, jitter float64) time.Duration {
	low, high := time.Duration(r.MinBackoff), time.Duration(r.MaxBackoff)
	ceiling := low
	for range min(attempt, 62) {
		if ceiling >= high/2 {
			ceiling = high
			break
		}
		ceiling *= 2
	}
	if ceiling <= low {
		return low
	}
	return low + time.Duration(jitter*float64(ceiling-low))
}

func expired(stored, at time.Time, r function.Retry) bool {
	return r.MaxAge > 0 && at.Sub(stored) > time.Duration(r.MaxAge)
}
