package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

func (a *app) provisionCommand() *cobra.Command {
	var replicas int
	cmd := &cobra.Command{
		Use:   "provision PATH...",
		Short: "Make the streams and consumers of functions on a NATS server",
		Long: "Make the streams, consumers and schedules of the functions of manifests (files or folders) on a NATS server,\n" +
			"and enter the functions into its catalog. From then on events are kept for them and scalers know them, although\n" +
			"nothing runs yet: on Kubernetes, before the first pod. What is there already and as it should be is left alone, so\n" +
			"it can be repeated at any time.\n\n" +
			"All manifests are checked first, also against the streams of the server. With any problem nothing is done: exit 7.",
		Example: "  # Before the first deployment\n" +
			"  pelton provision function.yaml --nats nats://nats.example.com:4222 --creds admin.creds\n\n" +
			"  # In a cluster of three servers\n  pelton provision functions/ --nats nats://127.0.0.1:4222 --replicas 3\n\n" +
			"  # What has changed, for a program\n" +
			"  pelton provision functions/ -o json | jq '.functions[].changes[] | select(.state != \"unchanged\")'",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("replicas") {
				replicas = 0
			} else if replicas < 1 || replicas > 5 {
				return usage("--replicas 1 to 5", "--replicas %d is not possible", replicas)
			}
			return a.provision(cmd.Context(), args, replicas)
		},
	}
	cmd.Flags().IntVar(&replicas, "replicas", 1, "copies of each stream, on as many servers; not given, streams that exist are left as they are")
	a.namesServer(cmd)
	return cmd
}

// namesServer gives a command the flag --nats of those that work on a server that was named.
func (a *app) namesServer(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.natsURL, "nats", "", "the NATS server (default: $NATS_URL)")
	bindEnv(cmd.Flags(), "nats")
}

func (a *app) provision(ctx context.Context, paths []string, replicas int) error {
	fns, err := loadFunctions(paths)
	if err != nil {
		return err
	}
	for _, w := range warningsOf(fns) {
		a.say("warning: %s", w)
	}
	t, err := a.connectNamed(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	if err := checkServer(ctx, t, fns); err != nil {
		return err
	}
	p := provisioning{target: t, replicas: replicas}
	if err := p.makeStreams(ctx, a); err != nil {
		return explain("cannot make the streams", err)
	}
	for _, fn := range fns {
		p.result.Functions = append(p.result.Functions, p.makeFunction(ctx, fn))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := a.showProvisioned(&p.result); err != nil {
		return err
	}
	return p.failure()
}

// checkServer finds what the server lacks for valid manifests, before anything is made.
func checkServer(ctx context.Context, t *target, fns []*function.Function) error {
	var problems []function.Problem
	for _, fn := range fns {
		err := stream.Check(ctx, t.js, fn)
		var mismatch *stream.Mismatch
		if err != nil && !errors.As(err, &mismatch) {
			return explain("cannot check the manifests against the server", err)
		}
		if mismatch == nil {
			continue
		}
		for _, problem := range mismatch.Problems {
			problems = append(problems, function.Problem{File: fn.Origin.File, Line: fn.Origin.Line, Message: problem.Error()})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &Error{
		Exit: ExitInvalid, Message: plural(len(problems), "problem") + ": the manifests do not fit the streams of the server",
		Cause: &function.Invalid{Problems: problems}, Hint: "nats stream ls shows the streams; nothing was done",
	}
}

// provisioning is one run of provision.
type provisioning struct {
	target   *target
	replicas int
	result   provisioned
}

// makeStreams makes our streams and that of the catalog.
func (p *provisioning) makeStreams(ctx context.Context, a *app) error {
	js := p.target.js
	before, err := streamConfigs(ctx, js)
	if err != nil {
		return err
	}
	drifts, err := stream.Ensure(ctx, js, stream.Config{MaxPayload: js.Conn().MaxPayload(), Replicas: p.replicas})
	if err != nil {
		return err
	}
	if err := catalog.Ensure(ctx, js, p.replicas); err != nil {
		return err
	}
	for _, d := range drifts {
		a.say("note: stream %s %s", d.Stream, d.Detail)
	}
	after, err := streamConfigs(ctx, js)
	p.result.Streams = compare(kindStream, before, after)
	return err
}

// makeFunction makes what one function needs. Its error is in the result: it does not keep others from being made.
func (p *provisioning) makeFunction(ctx context.Context, fn *function.Function) provisionedFunction {
	r := provisionedFunction{Namespace: fn.Metadata.Namespace, Name: fn.Metadata.Name, Changes: []change{}}
	before, err := p.inventory(ctx, fn.Key())
	if err == nil {
		_, err = stream.EnsureFunction(ctx, p.target.js, fn)
	}
	if err == nil {
		err = catalog.Put(ctx, p.target.js, fn)
	}
	if err != nil {
		r.Error = err.Error()
		return r
	}
	after, err := p.inventory(ctx, fn.Key())
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Changes = after.since(before)
	return r
}

// failure is the error of the functions that could not be made.
func (p *provisioning) failure() error {
	failed, first := 0, ""
	for _, f := range p.result.Functions {
		if f.Error == "" {
			continue
		}
		if failed++; first == "" {
			first = f.Error
		}
	}
	if failed == 0 {
		return nil
	}
	all := plural(len(p.result.Functions), "function")
	e := &Error{
		Exit: ExitPartly, Message: fmt.Sprintf("%d of %s could not be provisioned", failed, all), Cause: errors.New(first),
		Hint: "mend it, and repeat: what is done is left alone",
	}
	if failed == len(p.result.Functions) {
		e.Exit = ExitFailed
	}
	return e
}
