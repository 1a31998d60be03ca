package cli

import (
	"cmp"
	"crypto/rand"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/replay"
)

// replayFlags are the flags of replay as they were given.
type replayFlags struct {
	namespace, manifest      string
	since, until, expression string
	stream, after, id        string
	limit, rate              int
	dryRun, yes              bool
}

// defaultReplayRate leaves the server room for what else it has to store.
const defaultReplayRate = 100

func (f *replayFlags) add(cmd *cobra.Command) {
	namespaceFlag(cmd, &f.namespace)
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "only events stored since then: 2h ago, or a time such as 2026-03-01T10:00:00Z")
	flags.StringVar(&f.until, "until", "", "only events stored before then: like --since (default: now)")
	flags.StringVar(&f.expression, "filter", "", "only events that this expression takes, too: the language of a trigger's filter")
	flags.StringVar(&f.stream, "stream", "", "only events of this stream (default: of every event trigger)")
	flags.IntVar(&f.limit, "limit", 0, "at most so many; 0 for all")
	flags.IntVar(&f.rate, "rate", defaultReplayRate, "at most so many a second; 0 for as many as the server takes")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say how many there are, show the first, and give none")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.StringVar(&f.id, "id", "", "continue the replay with this id: what it gave in the last two minutes is not given twice")
	flags.StringVar(&f.after, "after", "", "continue behind this event, such as EVENTS-5321")
	flags.StringVar(&f.manifest, "manifest", "", "file or folder with the function's manifest, if no pelton up and no cluster has it")
}

// replayOptions are the flags, checked.
type replayOptions struct {
	replayFlags
	selection replay.Selection
}

var replayID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// read checks the flags before anything is asked.
func (f replayFlags) read(now time.Time) (replayOptions, error) {
	o := replayOptions{replayFlags: f}
	o.selection.Stream = f.stream
	switch {
	case f.limit < 0:
		return o, usage("--limit 0 for all", "--limit %d is negative", f.limit)
	case f.rate < 0:
		return o, usage("--rate 0 for as many as the server takes", "--rate %d is negative", f.rate)
	case f.id != "" && !replayID.MatchString(f.id):
		return o, usage("at most 64 of A-Z a-z 0-9 . _ -", "--id %q is no id of a replay", f.id)
	case f.dryRun && f.yes:
		return o, usage("one or the other", "--dry-run and --yes exclude each other")
	}
	o.id = cmp.Or(f.id, strings.ToLower(rand.Text()[:12]))
	if err := o.readTimes(now); err != nil {
		return o, err
	}
	if err := o.readAfter(); err != nil {
		return o, err
	}
	if f.expression == "" {
		return o, nil
	}
	compiled, err := filter.Compile(f.expression)
	if err != nil {
		return o, &Error{Exit: ExitUsage, Message: "--filter does not compile", Cause: err}
	}
	o.selection.Filter = compiled
	return o, nil
}

func (o *replayOptions) readTimes(now time.Time) (err error) {
	if o.selection.Since, err = pointInTime("--since", o.since, now); err != nil {
		return err
	}
	if o.selection.Until, err = pointInTime("--until", o.until, now); err != nil {
		return err
	}
	since, until := o.selection.Since, o.selection.Until
	switch {
	case !until.IsZero() && !since.Before(until):
		return usage("--since 2h --until 1h is the hour before the last one",
			"--since %s is not before --until %s", since.Format(time.RFC3339), until.Format(time.RFC3339))
	case since.After(now):
		return usage("--since 2h", "--since %s is in the future: nothing can have been stored since", since.Format(time.RFC3339))
	}
	return nil
}

// pointInTime reads a time, or how long ago it was; "" is the zero time.
func pointInTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, usage("how long ago, such as 90m, or a time such as "+now.UTC().Truncate(time.Minute).Format(time.RFC3339),
			"%s %q is no time", flag, text)
	}
	return t, nil
}

// readAfter reads STREAM-SEQUENCE; a stream's name may have a dash itself.
func (o *replayOptions) readAfter() error {
	if o.after == "" {
		return nil
	}
	i := strings.LastIndexByte(o.after, '-')
	sequence, err := strconv.ParseUint(o.after[i+1:], 10, 64)
	if err != nil || i < 1 {
		return usage("as the replay has printed it, such as EVENTS-5321", "--after %q is not STREAM-SEQUENCE", o.after)
	}
	o.selection.After = replay.Position{Stream: o.after[:i], Sequence: sequence}
	return nil
}
