package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// dlqSelection are the flags that select letters.
type dlqSelection struct {
	function string
	reason   string
	limit    int
	after    uint64
}

func (s *dlqSelection) addFlags(cmd *cobra.Command) {
	reasons := strings.Join(deadletter.Reasons(), ", ")
	cmd.Flags().StringVarP(&s.function, "function", "f", "", "only letters of this function")
	cmd.Flags().StringVar(&s.reason, "reason", "", "only letters with this reason: "+reasons)
	_ = cmd.RegisterFlagCompletionFunc("reason",
		cobra.FixedCompletions(deadletter.Reasons(), cobra.ShellCompDirectiveNoFileComp))
}

// filter checks the flags.
func (s *dlqSelection) filter() (deadletter.Filter, error) {
	f := deadletter.Filter{Reason: s.reason, Limit: s.limit, After: s.after}
	if s.limit < 0 {
		return f, usage("--limit 0 for all", "--limit %d is negative", s.limit)
	}
	if reasons := deadletter.Reasons(); s.reason != "" && !slices.Contains(reasons, s.reason) {
		return f, usage("--reason "+strings.Join(reasons, ", "), "%q is no reason of dead letters", s.reason)
	}
	if s.function != "" {
		key, err := parseKey(s.function)
		if err != nil {
			return f, err
		}
		f.Namespace, f.Function = key.Namespace, key.Name
	}
	return f, nil
}

// letters lists what f selects. Nothing of a function that nobody knows is an error: its name is most likely wrong.
func (s *dlqSelection) letters(ctx context.Context, t *target, f deadletter.Filter) ([]deadletter.Letter, error) {
	letters, err := deadletter.List(ctx, t.js, f)
	if err != nil {
		return nil, explain("cannot list dead letters", err)
	}
	if len(letters) > 0 || f.Function == "" {
		return letters, nil
	}
	n, err := deadletter.Count(ctx, t.js, f.Namespace, f.Function)
	if err != nil {
		return nil, explain("cannot count dead letters", err)
	}
	if n > 0 {
		return letters, nil
	}
	return letters, known(ctx, t, function.Key{Namespace: f.Namespace, Name: f.Function})
}

// known looks for a function among those that have a queue of their own on the server, which are all.
func known(ctx context.Context, t *target, key function.Key) error {
	subs, err := subscriptions(ctx, t.js, stream.WorkStream)
	if err != nil {
		return explain("cannot list the functions", err)
	}
	if slices.ContainsFunc(subs, func(sub subscription) bool { return sub.key == key }) {
		return nil
	}
	return &Error{
		Exit: ExitNotFound, Message: fmt.Sprintf("there is no function or dead letter of %s", key),
		Hint: cmp.Or(didYouMean(key, subs), "pelton dlq list"),
	}
}
