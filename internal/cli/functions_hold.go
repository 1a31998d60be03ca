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

// holdCommands fix the number of replicas of functions in a cluster.
func (a *app) holdCommands() []*cobra.Command {
	var namespace string
	scale := &cobra.Command{
		Use: "scale FUNCTION REPLICAS", Short: "Hold a function at a number of replicas, in a cluster",
		Long: "Hold a function of a Kubernetes cluster at a number of replicas, whatever waits for it, until `pelton functions resume`.\n" +
			"It outlives another apply of the manifest.",
		Example: "  # Three, from now on\n  pelton functions scale thumbnail 3\n\n" +
			"  # As work demands, again\n  pelton functions resume thumbnail",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.scale(cmd.Context(), args[0], namespace, args[1])
		},
	}
	pause := &cobra.Command{
		Use: "pause FUNCTION", Short: "Hold a function at zero replicas, in a cluster",
		Long: "Hold a function of a Kubernetes cluster at zero replicas: running calls end, and events wait for it until\n" +
			"`pelton functions resume`. It is `pelton functions scale FUNCTION 0`.",
		Example: "  # Stop handling\n  pelton functions pause thumbnail\n\n  # Go on\n  pelton functions resume thumbnail",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.scale(cmd.Context(), args[0], namespace, "0") },
	}
	resume := &cobra.Command{
		Use: "resume FUNCTION", Short: "Let work decide again how many replicas a function has, in a cluster",
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
		Use: "wait FUNCTION", Short: "Wait until a function in a cluster is ready, active or idle",
		Long: "Wait until a function in a Kubernetes cluster is\n" +
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
			c, key, err := a.functionOf(cmd.Context(), args[0], namespace)
			if err != nil {
				return err
			}
			if err := a.waitFor(cmd.Context(), c, key, what, timeout); err != nil {
				return err
			}
			return a.showHeld(key, "is "+what)
		},
	}
	namespaceFlag(cmd, &namespace)
	cmd.Flags().StringVar(&what, "for", forReady, "ready, active or idle")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait")
	return cmd
}

// functionOf opens the cluster and makes sure that the function is there.
func (a *app) functionOf(ctx context.Context, name, namespace string) (*kube.Cluster, function.Key, error) {
	p, key, err := a.findFunction(name, namespace)
	if err != nil {
		return nil, key, err
	}
	if p.up != nil {
		return nil, key, usage("name the cluster with --context or --kubeconfig; pelton up itself shows logs, and ends with Ctrl-C",
			"a pelton up runs here, and this works on functions in a cluster alone")
	}
	_, err = a.getFunction(ctx, p.cluster, key)
	return p.cluster, key, err
}

// scale holds a function at a number of replicas.
func (a *app) scale(ctx context.Context, name, namespace, text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return usage("a number such as 3", "%q is no number of replicas", text)
	}
	c, key, err := a.functionOf(ctx, name, namespace)
	if err != nil {
		return err
	}
	o, err := a.getFunction(ctx, c, key)
	if err != nil {
		return err
	}
	if fn, err := desired.Read(o); err == nil && n > fn.Spec.Scale.MaxReplicas {
		return usage("raise spec.scale.maxReplicas in the manifest first", "%d replicas are more than the %d that function %s may have",
			n, fn.Spec.Scale.MaxReplicas, fullName(key))
	}
	if err := a.hold(ctx, c, key, strconv.Itoa(n)); err != nil {
		return err
	}
	if n == 0 {
		return a.showHeld(key, "paused")
	}
	return a.showHeld(key, "held at "+plural(n, "replica"))
}

func (a *app) resume(ctx context.Context, name, namespace string) error {
	c, key, err := a.functionOf(ctx, name, namespace)
	if err != nil {
		return err
	}
	if err := a.hold(ctx, c, key, nil); err != nil {
		return err
	}
	return a.showHeld(key, "resumed")
}

func (a *app) hold(ctx context.Context, c *kube.Cluster, key function.Key, value any) error {
	err := c.Annotate(ctx, kube.Functions(), key.Namespace, key.Name, holdOwner, map[string]any{desired.HeldAnnotation: value})
	return explainCluster(c, "change function "+fullName(key), err)
}

func (a *app) showHeld(key function.Key, state string) error {
	if a.json() {
		return a.writeJSON(applied{Function: fullName(key), State: state})
	}
	_, err := fmt.Fprintf(a.stdout, "function %s %s\n", fullName(key), state)
	return err
}
