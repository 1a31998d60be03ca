package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/stream"
)

// sendOptions is one call of send.
type sendOptions struct {
	event   eventFlags
	wait    bool
	timeout time.Duration
}

func (a *app) sendCommand() *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send SUBJECT",
		Short: "Publish an event and, if asked, wait for its runs",
		Long: "Publish an event to events.SUBJECT. It is stored when the command returns: functions run it when they can.\n" +
			"With --wait the command follows the event until every function that takes it is done with it.",
		Example: "  # The smallest thing that works\n  pelton send hello --data '{\"name\":\"you\"}'\n\n" +
			"  # From a file; wait, and fail if a function fails\n" +
			"  pelton send orders.created --data @order.json --wait --timeout 30s\n\n" +
			"  # With an id of your own: sent twice, stored once\n" +
			"  pelton send orders.created --id order-17 --source shop --data '{}'",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.send(cmd.Context(), args[0], o) },
	}
	o.event.add(cmd)
	cmd.Flags().BoolVarP(&o.wait, "wait", "w", false, "wait until every matching function is done; exit 8 if one is not")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 30*time.Second, "how long to wait; exit 6 after that")
	return cmd
}

// sent is what send prints under -o json.
type sent struct {
	ID        string       `json:"id"`
	Subject   string       `json:"subject"`
	Stream    string       `json:"stream"`
	Sequence  uint64       `json:"sequence"`
	Duplicate bool         `json:"duplicate"`
	Functions []string     `json:"functions"`
	Runs      []ledger.Run `json:"runs,omitempty"`
}

func (a *app) send(ctx context.Context, name string, o sendOptions) error {
	subject, err := eventsSubject(name)
	if err != nil {
		return err
	}
	if o.timeout <= 0 {
		return usage("--timeout 30s", "--timeout must be positive")
	}
	e, err := o.event.event(ctx, a, subject)
	if err != nil {
		return err
	}
	t, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	subs, err := subscriptions(ctx, t.js, stream.EventsStream)
	if err != nil {
		return explain("cannot list the functions", err)
	}
	functions := matching(subs, subject)

	var w *waiter
	if o.wait {
		if w, err = startWaiter(t.nc, e, functions); err != nil {
			return explain("cannot follow the runs", err)
		}
		defer w.stop()
	}
	result, err := publish(ctx, t, subject, e)
	if err != nil {
		return err
	}
	for _, key := range functions {
		result.Functions = append(result.Functions, key.String())
	}
	a.sayNobody(functions, nearest(subs, subject), subject)
	return a.finishSend(ctx, result, w, o.timeout)
}

func (a *app) sayNobody(functions []function.Key, near, subject string) {
	if len(functions) > 0 {
		return
	}
	if near != "" {
		near = "; " + near
	}
	a.say("warning: no function listens on %s%s", subject, near)
}

func (a *app) finishSend(ctx context.Context, s *sent, w *waiter, timeout time.Duration) error {
	if !a.json() {
		if err := a.printSent(s); err != nil {
			return err
		}
	}
	var waited error
	if w != nil && !s.Duplicate {
		p := runPrinter{paint: a.painter(a.stdout)}
		waited = w.wait(ctx, timeout, func(r ledger.Run) {
			s.Runs = append(s.Runs, r)
			if !a.json() {
				fmt.Fprintln(a.stdout, p.line(r))
			}
		})
	} else if w != nil {
		a.say("warning: this id was sent before; there is nothing new to wait for")
	}
	if a.json() {
		return errors.Join(waited, a.writeJSON(s))
	}
	return waited
}

func (a *app) printSent(s *sent) error {
	names := "none"
	for i, f := range s.Functions {
		if i == 0 {
			names = f
		} else {
			names += ", " + f
		}
	}
	duplicate := "no"
	if s.Duplicate {
		duplicate = "yes: it was stored before, as this sequence"
	}
	return writeTable(a.stdout, [][]string{
		{"event", s.ID},
		{"subject", s.Subject},
		{"stored", s.Stream + " as " + strconv.FormatUint(s.Sequence, 10)},
		{"duplicate", duplicate},
		{"functions", names},
	})
}
