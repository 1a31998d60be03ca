package invoke

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrClosed is the cause in every error of a call that was cut by Close, or made after it.
var ErrClosed = errors.New("invoker is closed")

// NotReady is the error of a call that the handler certainly did not see. It wraps ErrNotReady and the cause.
func NotReady(cause error) error { return fmt.Errorf("%w: %w", ErrNotReady, cause) }

// Interrupted is the error of a call whose context ended while the handler may have been at work: CodeTimeout when a
// deadline passed, CodeCanceled when the caller gave up.
func Interrupted(ctx context.Context) *Error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: CodeTimeout, Err: err}
	}
	return &Error{Code: CodeCanceled, Err: err}
}

// Begin says whether a call may start at all. Its error wraps ErrNotReady: an ended context or a deadline in the past is
// found before anything is sent.
func Begin(ctx context.Context, call *Call) error { return begin(ctx, call.Deadline) }

func begin(ctx context.Context, deadline time.Time) error {
	if err := ctx.Err(); err != nil {
		return NotReady(err)
	}
	if !deadline.IsZero() && !time.Now().Before(deadline) {
		return NotReady(context.DeadlineExceeded)
	}
	return nil
}

// Text makes what a handler wrote fit for Outcome.Reason: one line of valid UTF-8, at most MaxReason bytes.
func Text(s string) string {
	s = strings.TrimSpace(strings.Map(printable, strings.ToValidUTF8(s, "\uFFFD")))
	if len(s) <= MaxReason {
		return s
	}
	cut := MaxReason
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// printable turns line breaks and other control characters into spaces: reasons end up in message headers and log lines.
func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return ' '
	}
	return r
}
