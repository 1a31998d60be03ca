package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kube"
)

// holdCommands fix the number of replicas of functions.
func (a *app) holdCommands() []*cobra.Command {
	var namespace string
	scale := &cobra.Command{
		Use: "scale FUNCTION REPLICAS", Short: "Hold a function at a number of replicas",
		Long: "Hold a function at a number of replicas, whatever waits for it, until `pelton functions resume`. It outlives changes\n" +
			"of the manifest, but not a pelton up that ends.",
		Example: "  # Three, from now on\n  pelton functions scale thumbnail 3\n\n" +
			"  # As work demands, again\n  pelton functions resume thumbnail",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.scale(cmd.Context(), args[0], namespace, args[1])
		},
	}
	pause := &cobra.Command{
		Use: "pause FUNCTION", Short: "Hold a function at zero replicas",
		Long: "Hold a function at zero replicas: running calls end, and events wait for it until `pelton functions resume`.\n" +
			"It is `pelton functions scale FUNCTION 0`.",
		Example: "  # Stop handling\n  pelton functions pause thumbnail\n\n  # Go on\n  pelton functions resume thumbnail",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.scale(cmd.Context(), args[0], namespace, "0") },
	}
	resume := &cobra.Command{
		Use: "resume FUNCTION", Short: "Let work decide again how many replicas a function has",
		Example: "  # After pause or scale\n  pelton functions resume thumbnail\n\n" +
			"  # Then wait until what waited is done\n  pelton functions wait thumbnail --for idle",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.resume(cmd.Context(), args[0], namespace) },
	}
	for _, cmd := range []*cobra.Command{scale, pause, resume} {
		namespaceFlag(cmd, &namespace)
	}
	return []*cobra.Command{scale, pause, resume, a.functionsWaitCommand()}
}

func (a *app) functionsWaitCommand() *cobra.Command {
	var namespace, what string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "wait FUNCTION", Short: "Wait until a function is ready, active or idle",
		Long: "Wait until a function is\n" +
			"  ready   events are kept for it and start it: at zero replicas too\n" +
			"  active  events wait or are handled\n" +
			"  idle    nothing waits and no replica runs\n\nExit 6 if that does not happen in time.",
		Example: "  # After kubectl apply\n  pelton functions wait thumbnail\n\n" +
			"  # Until everything is done\n  pelton functions wait thumbnail --for idle --timeout 10m",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if what != forReady && what != forActive && what != forIdle {
				return usage("--for ready, --for active or --for idle", "there is nothing like %q to wait for", what)
			}
			p, key, err := a.findFunction(args[0], namespace)
			switch {
			case err != nil:
			case p.up != nil:
				return a.waitForLocal(cmd.Context(), newControlClient(p.up.ControlSocket), key, what, timeout)
			default:
				_, err = a.getFunction(cmd.Context(), p.cluster, key)
			}
			if err == nil {
				err = a.waitFor(cmd.Context(), p.cluster, key, what, timeout)
			}
			if err != nil {
				return err
			}
			return a.showHeld(fullName(key), "is "+what)
		},
	}
	namespaceFlag(cmd, &namespace)
	cmd.Flags().StringVar(&what, "for", forReady, "ready, active or idle")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait")
	return cmd
}

// scale holds a function at a number of replicas.
func (a *app) scale(ctx context.Context, name, namespace, text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return usage("a number such as 3", "%q is no number of replicas", text)
	}
	p, key, err := a.findFunction(name, namespace)
	switch {
	case err != nil:
		return err
	case p.up != nil:
		return a.holdLocal(ctx, newControlClient(p.up.ControlSocket), key, &n)
	}
	o, err := a.getFunction(ctx, p.cluster, key)
	if err != nil {
		return err
	}
	if fn, err := desired.Read(o); err == nil && n > fn.Spec.Scale.MaxReplicas {
		return tooMany(n, fn.Spec.Scale.MaxReplicas, fullName(key))
	}
	if err := a.hold(ctx, p.cluster, key, strconv.Itoa(n)); err != nil {
		return err
	}
	return a.showHeld(fullName(key), heldText(&n))
}

func tooMany(n, most int, name string) error {
	return usage("raise spec.scale.maxReplicas in the manifest first", "%d replicas are more than the %d that function %s may have",
		n, most, name)
}

// heldText says what a function is now.
func heldText(n *int) string {
	switch {
	case n == nil:
		return "resumed"
	case *n == 0:
		return "paused"
	}
	return "held at " + plural(*n, "replica")
}

func (a *app) resume(ctx context.Context, name, namespace string) error {
	p, key, err := a.findFunction(name, namespace)
	switch {
	case err != nil:
		return err
	case p.up != nil:
		return a.holdLocal(ctx, newControlClient(p.up.ControlSocket), key, nil)
	}
	if _, err := a.getFunction(ctx, p.cluster, key); err != nil {
		return err
	}
	if err := a.hold(ctx, p.cluster, key, nil); err != nil {
		return err
	}
	return a.showHeld(fullName(key), heldText(nil))
}

func (a *app) hold(ctx context.Context, c *kube.Cluster, key function.Key, value any) error {
	err := c.Annotate(ctx, kube.Functions(), key.Namespace, key.Name, holdOwner, map[string]any{desired.HeldAnnotation: value})
	return explainCluster(c, "change function "+fullName(key), err)
}

func (a *app) showHeld(name, state string) error {
	if a.json() {
		return a.writeJSON(applied{Function: name, State: state})
	}
	_, err := fmt.Fprintf(a.stdout, "function %s %s\n", name, state)
	return err
}
