package functions

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	peltonevent "github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// RetryError asks for another attempt. Retry makes it.
type RetryError struct {
	After time.Duration // the earliest time for it, from now; 0 leaves it to the manifest's back-off
	Err   error         // why; may be nil
}

// Retry asks for another attempt after the given time at the earliest. The causes say why, if there is something to say.
func Retry(after time.Duration, causes ...error) error {
	return &RetryError{After: max(0, after), Err: errors.Join(causes...)}
}

// Error returns the causes, or what is asked for.
func (e *RetryError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("retry after %s", e.After)
}

// Unwrap returns the causes.
func (e *RetryError) Unwrap() error { return e.Err }

// RejectError says that the event will never succeed. Reject makes it.
type RejectError struct{ Reason string }

// Reject says that the event will never succeed, for a reason that people will read. It becomes a dead letter.
func Reject(reason string) error { return &RejectError{Reason: reason} }

// Error returns the reason.
func (e *RejectError) Error() string { return e.Reason }

// verdictOf turns what a Func returned into an outcome. The text of an error is the one of the outermost: wrapping adds.
func verdictOf(reply *event.Event, err error, cause *peltonevent.Event, d *Delivery) invoke.Outcome {
	switch {
	case err != nil:
		return verdictOfError(err)
	case reply == nil:
		return invoke.Outcome{Kind: invoke.Done}
	}
	e, err := fromSDK(reply, cause, d)
	if err != nil {
		return failed(fmt.Errorf("the returned event is not valid: %w", err))
	}
	return invoke.Outcome{Kind: invoke.Done, Reply: e}
}

func verdictOfError(err error) invoke.Outcome {
	var reject *RejectError
	var retry *RetryError
	switch {
	case errors.As(err, &reject):
		return invoke.Outcome{Kind: invoke.Reject, Reason: invoke.Text(err.Error())}
	case errors.As(err, &retry):
		return invoke.Outcome{Kind: invoke.Retry, After: retry.After, Reason: invoke.Text(err.Error())}
	default:
		return failed(err)
	}
}

func failed(err error) invoke.Outcome {
	return invoke.Outcome{Kind: invoke.Retry, Reason: invoke.Text(err.Error())}
}

// handle makes one call of f. It returns whatever f does, panics and runtime.Goexit included; after the latter the
// goroutine ends, so the outcome is given to done and not returned.
func (f Func) handle(c *call, done func(invoke.Outcome)) {
	var outcome invoke.Outcome
	returned := false
	defer func() {
		if err := ended(recover(), returned); err != nil {
			outcome = failed(err)
		}
		done(outcome)
	}()
	reply, err := f(c, toSDK(c.event))
	outcome = verdictOf(reply, err, c.event, &c.delivery)
	returned = true
}

// ended says what is wrong with how a function ended: it panicked, or did not return. A panic is written to standard error.
func ended(panicked any, returned bool) error {
	switch {
	case panicked != nil:
		fmt.Fprintf(os.Stderr, "panic: %v\n\n%s\n", panicked, debug.Stack())
		return fmt.Errorf("panic: %v", panicked)
	case !returned:
		return errors.New("the function ended its goroutine")
	}
	return nil
}
