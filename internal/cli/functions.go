package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

func (a *app) functionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "functions", Aliases: []string{"fn", "function"},
		Short: "List, describe and hold the functions of the running pelton up or of a cluster",
		Long: "List and describe the functions of the running pelton up, hold them at a number of replicas and wait for them; without\n" +
			"one, or with --context or --kubeconfig, those of a Kubernetes cluster.",
		Example: "  # All of them\n  pelton functions list\n\n  # One in full\n  pelton functions describe hello",
	}
	cmd.AddCommand(a.functionsListCommand(), a.functionsDescribeCommand())
	cmd.AddCommand(a.holdCommands()...)
	return cmd
}

func (a *app) functionsListCommand() *cobra.Command {
	var namespace string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List functions with their replicas and what waits for them",
		Example: "  # For people\n  pelton functions list\n\n" +
			"  # Of a whole cluster\n  pelton functions list -A --context prod\n\n" +
			"  # Names only\n  pelton functions list -o json | jq -r '.items[].name'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.findPlace()
			switch {
			case err != nil:
				return err
			case p.up != nil:
				return a.functionsList(cmd.Context(), p.up)
			case all:
				return a.listCluster(cmd.Context(), p.cluster, "")
			}
			return a.listCluster(cmd.Context(), p.cluster, cmp.Or(namespace, p.cluster.Namespace))
		},
	}
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "", "in a cluster: the namespace (default: that of the context)")
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "in a cluster: all namespaces")
	return cmd
}

func (a *app) functionsDescribeCommand() *cobra.Command {
	var namespace string
	cmd := &cobra.Command{
		Use: "describe FUNCTION", Short: "Show one function in full: manifest, replicas, queue, last exit",
		Example: "  # For people\n  pelton functions describe hello\n\n" +
			"  # For programs\n  pelton functions describe hello -o json",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, key, err := a.findFunction(args[0], namespace)
			switch {
			case err != nil:
				return err
			case p.up != nil:
				return a.functionsDescribe(cmd.Context(), p.up, key)
			}
			return a.describeCluster(cmd.Context(), p.cluster, key)
		},
	}
	namespaceFlag(cmd, &namespace)
	return cmd
}

func (a *app) functionsList(ctx context.Context, state *upState) error {
	views, err := newControlClient(state.ControlSocket).list(ctx)
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(listOf(views))
	}
	if len(views) == 0 {
		a.say("no functions; make one: pelton new hello")
		return nil
	}
	rows := [][]string{{"NAME", "STATE", "READY", "WANTED", "DUE", "IN FLIGHT", "SCALE", "LAST RUN", "TRIGGERS"}}
	for _, v := range views {
		s, scale := v.Status, v.Scale
		if s.Held != nil {
			scale += ", held at " + strconv.Itoa(*s.Held)
		}
		rows = append(rows, []string{
			v.key().String(), string(s.Phase), strconv.Itoa(s.Ready), strconv.Itoa(s.Wanted), strconv.Itoa(s.Due),
			strconv.Itoa(s.InFlight), scale, ago(s.LastRun, time.Now()), strings.Join(v.Triggers, "; "),
		})
	}
	return writeTable(a.stdout, rows)
}

func (a *app) functionsDescribe(ctx context.Context, state *upState, key function.Key) error {
	c := newControlClient(state.ControlSocket)
	v, err := c.describe(ctx, key)
	if errors.Is(err, errNoFunction) {
		return c.unknownFunction(ctx, key)
	}
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(v)
	}
	return writeTable(a.stdout, append(manifestRows(v), statusRows(v.Status)...))
}

func manifestRows(v functionView) [][]string {
	rows := [][]string{
		{"function", v.key().String()}, {"manifest", v.File}, {"protocol", v.Protocol}, {"command", strings.Join(v.Command, " ")},
	}
	for _, t := range v.Triggers {
		rows = append(rows, []string{"trigger", t})
	}
	if v.Manifest == nil {
		return rows
	}
	spec := v.Manifest.Spec
	return append(rows,
		[]string{"scale", fmt.Sprintf("%s replicas, %s at once in each", v.Scale, plural(spec.InFlight(), "event"))},
		[]string{"timeout", spec.Timeout.String()},
		[]string{"retry", fmt.Sprintf("%s, %s to %s apart", plural(spec.Retry.MaxAttempts, "attempt"),
			spec.Retry.MinBackoff, spec.Retry.MaxBackoff)})
}

func statusRows(s supervisor.Status) [][]string {
	rows := [][]string{
		{"state", string(s.Phase)},
		{"replicas", fmt.Sprintf("%d ready, %d starting, %d wanted: %s", s.Ready, s.Starting, s.Wanted, s.Reason)},
		{"queue", fmt.Sprintf("%d due, %d in flight", s.Due, s.InFlight)},
		{"last run", ago(s.LastRun, time.Now())},
	}
	if s.QueueError != "" {
		rows = append(rows, []string{"queue error", s.QueueError})
	}
	if s.SetupError != "" {
		rows = append(rows, []string{"setup error", oneLine(s.SetupError, 300)})
	}
	if b := s.Build; b != nil {
		rows = append(rows, []string{"build", strings.TrimSpace(b.State + " " + oneLine(b.Error, 200))})
	}
	if s.Backoff != "" {
		rows = append(rows, []string{"backing off", s.Backoff})
	}
	for _, r := range s.Replicas {
		rows = append(rows, []string{"replica", fmt.Sprintf("%s %s, pid %d, %d in flight, up %s",
			r.Name, r.State, r.PID, r.InFlight, short(time.Since(r.StartedAt)))})
		if r.Resting != "" {
			rows = append(rows, []string{"", "rests: " + oneLine(r.Resting, 300)})
		}
	}
	if e := s.LastExit; e != nil {
		text := fmt.Sprintf("%s, %s: %s", e.Replica, ago(e.At, time.Now()), oneLine(e.Reason, 200))
		rows = append(rows, []string{"last exit", text})
		for _, line := range e.Stderr {
			rows = append(rows, []string{"", oneLine(line, 200)})
		}
	}
	return rows
}
