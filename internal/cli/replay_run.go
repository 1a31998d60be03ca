package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pelton-dev/pelton/internal/replay"
)

// replayResult is what replay prints under -o json.
type replayResult struct {
	Function string `json:"function"`
	ID       string `json:"id"`
	replay.Counts
	Given      int            `json:"given"`
	Duplicates int            `json:"duplicates"`         // of these, given before under this id
	Last       string         `json:"last,omitempty"`     // the last one that was given
	Continue   string         `json:"continue,omitempty"` // the command that goes on, if this one has not come to its end
	DryRun     bool           `json:"dryRun,omitempty"`   // none was given
	Samples    []replaySample `json:"samples,omitempty"`  // of a dry run
}

// replaySample is one event of a dry run.
type replaySample struct {
	Message string    `json:"message"`
	Subject string    `json:"subject"`
	Stored  time.Time `json:"stored"`
	Type    string    `json:"type"`
	Source  string    `json:"source"`
	ID      string    `json:"id"`
}

// maxSamples is how many events a dry run shows.
const maxSamples = 5

// replayTold is how often a long replay says where it is.
const replayTold = 10 * time.Second

// errEnough ends the reading at --limit.
var errEnough = errors.New("the limit is reached")

// replayRun is one call of replay.
type replayRun struct {
	*replay.Replay
	app      *app
	options  replayOptions
	function string // in full
	result   replayResult
}

// rehearse counts, and shows the first.
func (r *replayRun) rehearse(ctx context.Context) error {
	r.result.DryRun = true
	if err := r.count(ctx); err != nil {
		return err
	}
	if r.app.json() {
		return r.app.writeJSON(r.result)
	}
	rows := [][]string{{"MESSAGE", "STORED", "SUBJECT", "TYPE", "ID"}}
	for _, s := range r.result.Samples {
		rows = append(rows, []string{
			oneLine(s.Message, 40), s.Stored.UTC().Format(time.RFC3339), oneLine(s.Subject, 60), oneLine(s.Type, 60), oneLine(s.ID, 60),
		})
	}
	if err := writeTable(r.app.stdout, rows); err != nil {
		return err
	}
	if more := r.result.Matched - len(r.result.Samples); more > 0 {
		fmt.Fprintf(r.app.stdout, "and %d more\n", more)
	}
	_, err := fmt.Fprintf(r.app.stdout, "would give %s to %s again\n", plural(r.result.Matched, "event"), r.result.Function)
	return err
}

// ask counts, and asks whether all of them are meant.
func (r *replayRun) ask(ctx context.Context) error {
	if err := r.count(ctx); err != nil {
		return err
	}
	return r.app.confirm(ctx, fmt.Sprintf("give %s to %s again?", plural(r.result.Matched, "event"), r.result.Function))
}

// count reads everything without giving it. Nothing at all is an error.
func (r *replayRun) count(ctx context.Context) error {
	n := 0
	err := r.each(ctx, func(f replay.Found) error {
		if n++; n <= maxSamples {
			e := f.Event
			r.result.Samples = append(r.result.Samples, replaySample{f.String(), f.Subject, f.Stored, e.Type, e.Source, e.ID})
		}
		if n == r.options.limit {
			return errEnough
		}
		return nil
	})
	return cmp.Or(explain("cannot read the events of "+r.result.Function, err), r.nothing())
}

func (r *replayRun) each(ctx context.Context, fn func(replay.Found) error) error {
	counts, err := r.Each(ctx, fn)
	r.result.Counts = counts
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// nothing says why no event was selected, or is nil.
func (r *replayRun) nothing() error {
	c := r.result.Counts
	if c.Matched > 0 {
		return nil
	}
	e := &Error{Exit: ExitNotFound, Message: "nothing matches: " + r.result.Function + " has no such events", Hint: "widen --since and --until"}
	if c.Read > 0 {
		e.Message = fmt.Sprintf("nothing matches: the filters take none of %s", plural(c.Read, "event"))
		e.Hint = "look at --filter and at the filters of its triggers"
	}
	if c.Unanswered+c.Broken > 0 {
		e.Message += fmt.Sprintf(" (for %d they cannot be evaluated, %d are no events)", c.Unanswered, c.Broken)
	}
	return e
}

// give stores the events in the function's queue, no faster than asked for. What was done is printed however it ends.
func (r *replayRun) give(ctx context.Context) error {
	r.app.say("replay %s", r.result.ID)
	began := time.Now()
	told := began
	err := r.each(ctx, func(f replay.Found) error {
		if err := pace(ctx, began, r.result.Given, r.options.rate); err != nil {
			return err
		}
		duplicate, err := r.Give(ctx, r.result.ID, f)
		if err != nil {
			return err
		}
		r.result.Given, r.result.Last = r.result.Given+1, f.String()
		if duplicate {
			r.result.Duplicates++
		}
		if time.Since(told) >= replayTold {
			told = time.Now()
			r.app.say("%d given, up to %s", r.result.Given, r.result.Last)
		}
		if r.result.Given == r.options.limit {
			return errEnough
		}
		return nil
	})
	if err == nil {
		err = r.nothing()
		return cmp.Or(err, r.show())
	}
	r.result.Continue = r.continuation()
	if shown := r.show(); shown != nil {
		return shown
	}
	return r.broken(ctx, err)
}

// broken is the error of a replay that has not come to its end.
func (r *replayRun) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = explain("the replay has not come to its end", err)
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Exit: e.Exit, Message: e.Message, Cause: e.Cause, Hint: r.result.Continue}
	}
	return &Error{Exit: ExitFailed, Message: "the replay has not come to its end", Cause: err, Hint: r.result.Continue}
}

func (r *replayRun) show() error {
	if r.app.json() {
		return r.app.writeJSON(r.result)
	}
	before := ""
	if r.result.Duplicates > 0 {
		before = fmt.Sprintf(", %d of them before", r.result.Duplicates)
	}
	_, err := fmt.Fprintf(r.app.stdout, "replayed %s to %s%s\n", plural(r.result.Given, "event"), r.result.Function, before)
	if r.result.Continue != "" {
		r.app.say("to continue on the same server: %s", r.result.Continue)
	}
	return err
}
