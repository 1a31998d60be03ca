package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

func (a *app) deprovisionCommand() *cobra.Command {
	var discard bool
	cmd := &cobra.Command{
		Use:   "deprovision FUNCTION",
		Short: "Delete the consumers, schedules and catalog entry of a function",
		Long: "Delete what a NATS server holds for a function: its consumers on all streams, its schedules, and its entry in\n" +
			"the catalog. Stop its replicas first: a sidecar makes them again. Streams, and dead letters, stay.\n\n" +
			"While events wait for the function nothing is deleted: exit 4. With --discard it is, and those events are given up:\n" +
			"what is in the function's own queue (retries, direct calls) is deleted, what is in other streams stays there.",
		Example: "  # A function that is not needed any more\n  pelton deprovision thumbnail --nats nats://127.0.0.1:4222\n\n" +
			"  # One in another namespace, whatever waits for it\n  pelton deprovision shop/thumbnail --discard",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.deprovision(cmd.Context(), args[0], discard) },
	}
	cmd.Flags().BoolVar(&discard, "discard", false, "give up the events that wait for the function")
	a.namesServer(cmd)
	return cmd
}

// removal is what deprovision prints under -o json.
type removal struct {
	Function    string   `json:"function"`
	Changes     []change `json:"changes"`
	Waiting     waiting  `json:"waiting"` // what was given up with --discard
	DeadLetters uint64   `json:"deadLetters"`
}

// waiting is what a function has not settled.
type waiting struct {
	Due      int `json:"due"`
	InFlight int `json:"inFlight"`
	Parked   int `json:"parked"`
}

func (w waiting) total() int { return w.Due + w.InFlight + w.Parked }

func (w waiting) String() string {
	return fmt.Sprintf("%d due, %d in flight, %d waiting for their retry", w.Due, w.InFlight, w.Parked)
}

func (a *app) deprovision(ctx context.Context, name string, discard bool) error {
	key, err := parseKey(name)
	if err != nil {
		return err
	}
	t, err := a.connectNamed(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	owned, err := stream.OwnedBy(ctx, t.js, key)
	if err != nil {
		return explain("cannot look up what the server holds for "+key.String(), err)
	}
	_, entered, err := catalog.Read(ctx, t.js, key)
	if err != nil {
		return explain("cannot look up the catalog", err)
	}
	if owned.Nothing() && !entered {
		return unknownThere(ctx, t, key)
	}
	r := removal{Function: key.String(), Changes: deletionsOf(&owned, key, entered)}
	r.Waiting.Due, r.Waiting.InFlight, r.Waiting.Parked = owned.Waiting()
	if r.Waiting.total() > 0 && !discard {
		return &Error{
			Exit: ExitConflict, Message: fmt.Sprintf("events wait for %s: %s; nothing was deleted", key, r.Waiting),
			Hint: "let its replicas handle them, or give them up with --discard",
		}
	}
	if err := removeFunction(ctx, t.js, key, owned, discard); err != nil {
		return explain("cannot delete all of "+key.String()+", repeat it", err)
	}
	r.DeadLetters, err = deadletter.Count(ctx, t.js, key.Namespace, key.Name)
	if err != nil && !isMissing(err) {
		return explain("cannot count dead letters", err)
	}
	return a.showRemoval(r)
}

// removeFunction begins with the catalog, so that no scaler starts replicas for what goes away.
func removeFunction(ctx context.Context, js jetstream.JetStream, key function.Key, owned stream.Owned, discard bool) error {
	if err := catalog.Remove(ctx, js, key); err != nil && !isMissing(err) {
		return err
	}
	return stream.Remove(ctx, js, key, owned, discard)
}

func deletionsOf(owned *stream.Owned, key function.Key, entered bool) []change {
	changes := []change{}
	for _, c := range owned.Consumers {
		changes = append(changes, change{kindConsumer, c.Stream + "/" + c.Name, stateDeleted})
	}
	for _, subject := range sortedKeys(owned.Schedules) {
		changes = append(changes, change{kindSchedule, subject, stateDeleted})
	}
	if entered {
		changes = append(changes, change{kindEntry, key.String(), stateDeleted})
	}
	return changes
}

// unknownThere says that the server holds nothing for a function, and which one may be meant.
func unknownThere(ctx context.Context, t *target, key function.Key) error {
	subs, err := subscriptions(ctx, t.js, stream.WorkStream)
	if err != nil {
		return explain("cannot list the functions", err)
	}
	return &Error{
		Exit: ExitNotFound, Message: fmt.Sprintf("this NATS server holds nothing for a function %s", key),
		Hint: didYouMean(key, subs),
	}
}

func isMissing(err error) bool { return errors.Is(err, jetstream.ErrStreamNotFound) }

func (a *app) showRemoval(r removal) error {
	if a.json() {
		return a.writeJSON(r)
	}
	rows := [][]string{{"FUNCTION", "STATE", "WHAT", "NAME"}}
	for _, c := range r.Changes {
		rows = append(rows, []string{r.Function, c.State, c.Kind, c.Name})
	}
	if err := writeTable(a.stdout, rows); err != nil {
		return err
	}
	if r.Waiting.total() > 0 {
		a.say("given up: %s", r.Waiting)
	}
	if r.DeadLetters > 0 {
		a.say("note: %s stay: pelton dlq list --function %s", plural(int(r.DeadLetters), "dead letter"), r.Function)
	}
	return nil
}
