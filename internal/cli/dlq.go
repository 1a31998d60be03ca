package cli

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/deadletter"
)

func (a *app) dlqCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "List, show, replay and discard dead letters",
		Long:  "Dead letters are events whose delivery has ended without success. They are kept for 30 days, with the reason.",
		Example: "  # What has died\n  pelton dlq list\n\n" +
			"  # Give all of one function another try\n  pelton dlq replay --function thumbnail --all --yes",
	}
	cmd.AddCommand(a.dlqListCommand(), a.dlqShowCommand(),
		a.dlqBulkCommand("replay", "Give dead letters to their function again",
			"Give dead letters to their function again, as a first attempt with the same bytes and attributes.", deadletter.Replay),
		a.dlqBulkCommand("discard", "Delete dead letters for good", "Delete dead letters for good.", discard))
	return cmd
}

func (a *app) dlqListCommand() *cobra.Command {
	var s dlqSelection
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, oldest first",
		Example: "  # Everything\n  pelton dlq list\n\n" +
			"  # What one function has rejected\n  pelton dlq list --function thumbnail --reason rejected",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.dlqList(cmd.Context(), s) },
	}
	s.addFlags(cmd)
	cmd.Flags().IntVar(&s.limit, "limit", 100, "at most so many; 0 for all")
	cmd.Flags().Uint64Var(&s.after, "after", 0, "only letters after this id: the last one of the page before")
	return cmd
}

// idWidth is how wide ids of dead letters are, so that one page of a list looks like the next.
const idWidth = 6

func (a *app) dlqList(ctx context.Context, s dlqSelection) error {
	f, err := s.filter()
	if err != nil {
		return err
	}
	t, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	letters, err := s.letters(ctx, t, f)
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(listOf(letters))
	}
	if len(letters) == 0 {
		a.say("no dead letters")
		return nil
	}
	rows := [][]string{{"ID", "FUNCTION", "REASON", "ATTEMPTS", "DIED", "MESSAGE", "SUBJECT", "ERROR"}}
	for _, l := range letters {
		rows = append(rows, []string{
			fmt.Sprintf("%-*d", idWidth, l.ID), keyOf(l.Namespace, l.Function), l.Reason, strconv.Itoa(l.Attempts),
			ago(l.Died, time.Now()), messageID(oneLine(l.Stream, 30), l.Sequence), oneLine(l.Subject, 40), oneLine(l.Error, 60),
		})
	}
	if err := writeTable(a.stdout, rows); err != nil {
		return err
	}
	if len(letters) == s.limit {
		a.say("\nmore: pelton dlq list --after %d", letters[len(letters)-1].ID)
	}
	return nil
}

func (a *app) dlqShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show one dead letter with its headers and data",
		Example: "  # For people\n  pelton dlq show 7\n\n" +
			"  # The bytes, as they were published\n  pelton dlq show 7 -o json | jq -r .dataBase64 | base64 -d",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.dlqShow(cmd.Context(), args[0]) },
	}
}

func (a *app) dlqShow(ctx context.Context, arg string) error {
	id, err := parseID(arg)
	if err != nil {
		return err
	}
	t, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	l, err := deadletter.Get(ctx, t.js, id)
	if err != nil {
		return letterError(id, err)
	}
	if a.json() {
		return a.writeJSON(l)
	}
	rows := [][]string{
		{"id", strconv.FormatUint(l.ID, 10)},
		{"function", keyOf(l.Namespace, l.Function)},
		{"reason", l.Reason},
		{"error", oneLine(l.Error, 1000)},
		{"attempts", strconv.Itoa(l.Attempts)},
		{"died", l.Died.Format(time.RFC3339)},
		{"stored", l.Stored.Format(time.RFC3339) + " in " + l.Stream + " as " + strconv.FormatUint(l.Sequence, 10)},
		{"subject", oneLine(l.Subject, 200)},
	}
	for _, name := range sortedKeys(l.Header) {
		for _, v := range l.Header[name] {
			rows = append(rows, []string{"header", oneLine(name+": "+v, 200)})
		}
	}
	rows = append(rows, []string{"data", letterData(l)})
	return writeTable(a.stdout, rows)
}

// dlqBulkCommand makes replay and discard: one letter or many by the same rules.
func (a *app) dlqBulkCommand(verb, shortText, long string, do letterFunc) *cobra.Command {
	var s dlqSelection
	var all, yes bool
	cmd := &cobra.Command{
		Use: verb + " [ID...]", Short: shortText,
		Long: long + "\n\nName the letters by id, or select them with --all, --function and --reason. Many at once need\n" +
			"--yes, or an answer on a terminal. Exit 9 if some of them failed.",
		Example: fmt.Sprintf("  # Two letters\n  pelton dlq %[1]s 7 8\n\n"+
			"  # All of one function, without a question\n  pelton dlq %[1]s --function thumbnail --all --yes", verb),
		RunE: func(cmd *cobra.Command, args []string) error {
			op := letterOp{app: a, verb: verb, do: do, yes: yes, all: all, selection: s}
			return op.run(cmd.Context(), args)
		},
	}
	s.addFlags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all letters, or all that --function and --reason select")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func parseID(arg string) (uint64, error) {
	id, err := strconv.ParseUint(arg, 10, 64)
	if err != nil || id == 0 {
		return 0, usage("pelton dlq list", "%q is not the id of a dead letter", arg)
	}
	return id, nil
}

func letterError(id uint64, err error) error {
	if errors.Is(err, deadletter.ErrNotFound) {
		return &Error{Exit: ExitNotFound, Message: fmt.Sprintf("there is no dead letter %d", id), Hint: "pelton dlq list"}
	}
	return explain(fmt.Sprintf("dead letter %d", id), err)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
