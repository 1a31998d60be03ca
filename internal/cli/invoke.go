package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

func (a *app) invokeCommand() *cobra.Command {
	var flags eventFlags
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "invoke FUNCTION",
		Short: "Call a function's handler, without the queue, and print its reply",
		Long: "Call a function's handler in the running pelton up, without the queue: nothing is stored or tried again.\n" +
			"The data of the reply goes to stdout. Exit 8 if the handler did not do the event.",
		Example: "  # With JSON\n  pelton invoke hello --data '{\"name\":\"you\"}'\n\n" +
			"  # A picture from a file, the reply into another\n  pelton invoke thumbnail --data @cat.png > thumb.png",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.invoke(cmd.Context(), args[0], flags, timeout) },
	}
	flags.add(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute,
		"how long to wait for the start and the answer; exit 6 after that")
	return cmd
}

func (a *app) invoke(ctx context.Context, name string, flags eventFlags, timeout time.Duration) error {
	key, err := parseKey(name)
	if err != nil {
		return err
	}
	if timeout <= 0 {
		return usage("--timeout 1m", "--timeout must be positive")
	}
	e, err := flags.event(ctx, a, "events."+key.Name)
	if err != nil {
		return err
	}
	c, err := a.control()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := c.invoke(limited, key, e)
	switch {
	case errors.Is(err, errNoFunction):
		return c.unknownFunction(ctx, key)
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{
			Exit: ExitTimeout, Message: fmt.Sprintf("%s did not answer within %s", key, timeout), Hint: "pelton why " + key.String(),
		}
	case err != nil:
		return err
	}
	return a.showInvocation(key.String(), answer)
}

func (a *app) showInvocation(name string, i invocation) error {
	if a.json() {
		if err := a.writeJSON(i); err != nil {
			return err
		}
	} else if err := a.printReply(i); err != nil {
		return err
	}
	if i.Outcome == invoke.Done.String() {
		a.say("%s: done in %s", name, short(i.Duration))
		return nil
	}
	e := &Error{Exit: ExitHandler, Message: fmt.Sprintf("%s: %s", name, i.Outcome), Hint: "pelton why " + name}
	if i.Code != "" {
		e.Message += " (" + i.Code + ")"
	}
	if i.After > 0 {
		e.Message += " after " + short(i.After)
	}
	if i.Reason != "" {
		e.Cause = errors.New(oneLine(i.Reason, invoke.MaxReason))
	}
	return e
}

// printReply writes the data of the reply as it is.
func (a *app) printReply(i invocation) error {
	if len(i.Reply) == 0 {
		return nil
	}
	data, err := replyData(i.Reply)
	if err != nil {
		return err
	}
	if _, err := a.stdout.Write(data); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	if n := len(data); n > 0 && data[n-1] != '\n' && a.painter(a.stdout).on {
		fmt.Fprintln(a.stdout)
	}
	return nil
}

func replyData(reply json.RawMessage) ([]byte, error) {
	e, problems := event.ParseJSON(reply)
	if len(problems) > 0 {
		return nil, fmt.Errorf("read reply: %s", problems[0].Detail)
	}
	return e.Data, nil
}
