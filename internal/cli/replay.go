package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/replay"
)

func (a *app) replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay FUNCTION",
		Short: "Give stored events to one function again",
		Long: "Give stored events to one function again, whatever has become of them before: no other function sees them. They are\n" +
			"read from the streams of its event triggers, matched by the triggers' subjects and filters, and stored in the\n" +
			"function's own queue, as a first attempt with the same bytes and attributes.\n\n" +
			"Many at once need --yes, or an answer on a terminal. A replay that was interrupted prints how to continue it.\n" +
			"For dead letters there is pelton dlq replay.",
		Example: "  # What would be given\n  pelton replay thumbnail --since 2h --dry-run\n\n" +
			"  # The large ones of some time, fifty a second, without a question\n" +
			"  pelton replay thumbnail --since 3h --until 2026-03-01T11:00:00Z --filter 'data.bytes > 1024' --rate 50 --yes",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.read(time.Now())
			if err != nil {
				return err
			}
			return a.replay(cmd.Context(), args[0], o)
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) replay(ctx context.Context, name string, o replayOptions) error {
	fn, t, err := a.replayTarget(ctx, name, o)
	if err != nil {
		return err
	}
	defer t.close()
	r, err := replay.Open(ctx, t.js, fn, o.selection)
	if err == nil {
		err = r.Ready(ctx)
	}
	if err != nil {
		return replayError(fn.Key(), err)
	}
	run := replayRun{app: a, Replay: r, options: o, function: fullName(fn.Key()), result: replayResult{Function: fn.Key().String(), ID: o.id}}
	if o.dryRun {
		return run.rehearse(ctx)
	}
	if !o.yes {
		if err := run.ask(ctx); err != nil {
			return err
		}
	}
	return run.give(ctx)
}

// replayTarget finds the function's manifest and the server: those of the running pelton up; or the manifest in a cluster or a
// file, and the server that is named.
func (a *app) replayTarget(ctx context.Context, name string, o replayOptions) (*function.Function, *target, error) {
	if o.manifest != "" {
		fn, err := manifestOf(o.manifest, name, o.namespace)
		if err != nil {
			return nil, nil, err
		}
		t, err := a.connect(ctx)
		return fn, t, err
	}
	p, key, err := a.findFunction(name, o.namespace)
	if err != nil {
		return nil, nil, err
	}
	if p.up == nil {
		o, err := a.getFunction(ctx, p.cluster, key)
		if err != nil {
			return nil, nil, err
		}
		fn, err := desired.Read(o)
		if err != nil {
			return nil, nil, &Error{Exit: ExitInvalid, Message: "the manifest of " + fullName(key) + " is not valid", Cause: err}
		}
		t, err := a.connectNamed(ctx)
		return fn, t, err
	}
	c := newControlClient(p.up.ControlSocket)
	v, err := c.describe(ctx, key)
	switch {
	case errors.Is(err, errNoFunction):
		return nil, nil, c.unknownFunction(ctx, key)
	case err != nil:
		return nil, nil, err
	case v.Manifest == nil:
		return nil, nil, &Error{Exit: ExitFailed, Message: key.String() + " is not set up yet", Hint: "pelton why " + key.String()}
	}
	t, err := a.connect(ctx)
	return v.Manifest, t, err
}

// manifestOf reads one function from manifests.
func manifestOf(path, name, namespace string) (*function.Function, error) {
	key, err := keyIn(name, namespace)
	if err != nil {
		return nil, err
	}
	fns, err := loadFunctions([]string{path})
	if err != nil {
		return nil, err
	}
	for _, fn := range fns {
		if fn.Key() == key {
			return fn, nil
		}
	}
	return nil, &Error{Exit: ExitNotFound, Message: fmt.Sprintf("there is no function %s in %s", key, path), Hint: "pelton validate " + path}
}

// replayError says what to do about what cannot be replayed.
func replayError(key function.Key, err error) error {
	message := "cannot replay events to " + key.String()
	e := &Error{Message: message, Cause: err}
	switch {
	case errors.Is(err, replay.ErrNoEvents):
		e.Exit, e.Hint = ExitInvalid, "only events of streams can be given again"
	case errors.Is(err, replay.ErrNoStream):
		e.Exit, e.Hint = ExitUsage, "pelton functions describe "+key.String()
	case errors.Is(err, replay.ErrNotKept):
		e.Exit, e.Hint = ExitInvalid, "only a stream with the retention limits keeps them; name another of its streams with --stream"
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		e.Exit, e.Hint = ExitNotFound, "let pelton up, the controller or pelton provision make it, on this server"
	default:
		return explain(message, err)
	}
	return e
}
