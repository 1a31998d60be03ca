package cli

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"
)

// pace waits until the next event is due when n have been given at so many a second; 0 is without a limit.
func pace(ctx context.Context, began time.Time, n, rate int) error {
	if rate == 0 {
		return ctx.Err()
	}
	due := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// continuation is the command that goes on where this one ended, with times that do not move.
func (r *replayRun) continuation() string {
	o := r.options
	args := []string{"pelton replay", r.function, "--id", r.result.ID, "--yes"}
	add := func(flag, value string) {
		if value != "" {
			args = append(args, flag, shellWord(value))
		}
	}
	add("--after", cmp.Or(r.result.Last, o.after))
	if since := o.selection.Since; !since.IsZero() {
		add("--since", since.UTC().Format(time.RFC3339Nano))
	}
	until := o.selection.Until
	if until.IsZero() {
		until = r.End()
	}
	add("--until", until.UTC().Format(time.RFC3339Nano))
	add("--filter", o.expression)
	add("--stream", o.stream)
	add("--manifest", o.manifest)
	if o.limit > 0 {
		add("--limit", strconv.Itoa(o.limit-r.result.Given))
	}
	if o.rate != defaultReplayRate {
		add("--rate", strconv.Itoa(o.rate))
	}
	return strings.Join(args, " ")
}

// shellWord quotes what a shell would not take as one word.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
