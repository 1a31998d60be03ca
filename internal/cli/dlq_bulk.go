package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/term"

	"github.com/pelton-dev/pelton/internal/deadletter"
)

// letterFunc does something to one dead letter.
type letterFunc func(ctx context.Context, js jetstream.JetStream, id uint64) error

// letterOp is one call of dlq replay or dlq discard.
type letterOp struct {
	app       *app
	verb      string
	do        letterFunc
	yes, all  bool
	selection dlqSelection
}

// bulkResult is what replay and discard print under -o json.
type bulkResult struct {
	Done   []uint64      `json:"done"`
	Failed []bulkFailure `json:"failed"`
}

type bulkFailure struct {
	ID    uint64 `json:"id"`
	Error string `json:"error"`
}

func (o letterOp) run(ctx context.Context, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	ids, err := parseIDs(args)
	if err != nil {
		return err
	}
	filter, err := o.selection.filter()
	if err != nil {
		return err
	}
	t, err := o.app.connect(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	if len(args) == 0 {
		if ids, err = o.choose(ctx, t, filter); err != nil {
			return err
		}
	}
	return o.each(ctx, t, ids)
}

func (o letterOp) check(args []string) error {
	selects := o.all || o.selection.function != "" || o.selection.reason != ""
	switch {
	case len(args) > 0 && selects:
		return usage("one or the other", "ids and --all, --function or --reason exclude each other")
	case len(args) == 0 && !o.all:
		return usage("pelton dlq "+o.verb+" ID, or --all with --function and --reason", "which dead letters?")
	}
	return nil
}

func parseIDs(args []string) ([]uint64, error) {
	ids := make([]uint64, len(args))
	for i, arg := range args {
		id, err := parseID(arg)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

// choose lists the letters that are selected and asks whether all of them are meant.
func (o letterOp) choose(ctx context.Context, t *target, filter deadletter.Filter) ([]uint64, error) {
	letters, err := o.selection.letters(ctx, t, filter)
	if err != nil {
		return nil, err
	}
	ids := make([]uint64, len(letters))
	for i, l := range letters {
		ids[i] = l.ID
	}
	if len(ids) == 0 || o.yes {
		return ids, nil
	}
	return ids, o.app.confirm(ctx, fmt.Sprintf("%s %s?", o.verb, plural(len(ids), "dead letter")))
}

// each does the work one letter at a time; one that fails does not stop the others.
func (o letterOp) each(ctx context.Context, t *target, ids []uint64) error {
	result := bulkResult{Done: []uint64{}, Failed: []bulkFailure{}}
	var last error
	for _, id := range ids {
		err := o.do(ctx, t.js, id)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			last = letterError(id, err)
			result.Failed = append(result.Failed, bulkFailure{id, err.Error()})
			continue
		}
		result.Done = append(result.Done, id)
	}
	if err := o.show(result); err != nil {
		return err
	}
	switch {
	case len(result.Failed) == 0:
		return nil
	case len(ids) == 1:
		return last
	default:
		return &Error{
			Exit: ExitPartly, Message: fmt.Sprintf("%d of %s failed", len(result.Failed), plural(len(ids), "dead letter")),
			Cause: errors.New(result.Failed[0].Error), Hint: "pelton dlq list",
		}
	}
}

func (o letterOp) show(r bulkResult) error {
	if o.app.json() {
		return o.app.writeJSON(r)
	}
	done := strings.TrimSuffix(o.verb, "e") + "ed"
	for _, f := range r.Failed {
		o.app.say("%d: %s", f.ID, oneLine(f.Error, 200))
	}
	_, err := fmt.Fprintf(o.app.stdout, "%s %s\n", done, plural(len(r.Done), "dead letter"))
	return err
}

// confirm asks on a terminal; elsewhere, and under -o json, it refuses instead of waiting for an answer that never comes.
func (a *app) confirm(ctx context.Context, question string) error {
	in, ok := a.stdin.(*os.File)
	if a.json() || !ok || !term.IsTerminal(int(in.Fd())) {
		return usage("add --yes", "%s Not without --yes: there is nobody to ask", question)
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	answer, err := abandon(ctx, func() (string, error) {
		line, _ := bufio.NewReader(in).ReadString('\n') // no answer is no
		return line, nil
	})
	if err != nil {
		return err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return nil
	}
	return &Error{Exit: ExitFailed, Message: "nothing was done"}
}
