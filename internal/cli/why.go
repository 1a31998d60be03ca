package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/decision"
	"github.com/pelton-dev/pelton/internal/function"
)

// The states of a line of why.
const (
	checkOK   = "ok"
	checkFail = "fail" // the first of these is the answer
	checkNote = "note" // worth knowing, no reason by itself
)

// check is one line of why.
type check struct {
	Name   string   `json:"name"`
	State  string   `json:"state"`
	Detail string   `json:"detail"`
	Lines  []string `json:"lines,omitempty"` // what the handler or a build said
	Try    string   `json:"try,omitempty"`
}

// diagnosis is what why prints under -o json.
type diagnosis struct {
	Function string  `json:"function"`
	Answer   string  `json:"answer"`
	Checks   []check `json:"checks"`

	ScaledObjects []decision.Object `json:"scaledObjects,omitempty"` // what a scaler told of them
}

// add notes one line.
func (d *diagnosis) add(c check) { d.Checks = append(d.Checks, c) }

// conclude picks the first failing line, or says what is so if none fails.
func (d *diagnosis) conclude(best string) {
	d.Answer = best
	for _, c := range d.Checks {
		if c.State == checkFail {
			d.Answer = c.Name + ": " + c.Detail
			return
		}
	}
}

func (a *app) whyCommand() *cobra.Command {
	var scaler, namespace string
	cmd := &cobra.Command{
		Use:   "why FUNCTION",
		Short: "Say why a function runs or does not run",
		Long: "Say why a function runs or does not run: a list of checks from the manifest to the last outcome, in the order\n" +
			"of an event's way. The first line that fails is the answer. The exit code is 0 if the checks could be made.\n\n" +
			"It asks the running pelton up, or a Kubernetes cluster: the Function, KEDA's ScaledObject, the HPA, the Deployment,\n" +
			"the pods, and pelton-scaler through a forwarded port; with --nats also the server, what is there and what waits.\n" +
			"Without any right in the cluster it asks pelton-scaler alone, at the HTTP address of --scaler.",
		Example: "  # Why is nothing happening?\n  pelton why thumbnail\n\n" +
			"  # The answer alone\n  pelton why thumbnail -o json | jq -r .answer\n\n" +
			"  # On Kubernetes\n  pelton why thumbnail --namespace shop --context prod\n\n" +
			"  # Of the scaler alone, with: kubectl port-forward -n pelton-system deployment/pelton-scaler 8081\n" +
			"  pelton why thumbnail --namespace shop --scaler http://127.0.0.1:8081 --nats nats://127.0.0.1:4222",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.whyAnywhere(cmd.Context(), args[0], namespace, scaler)
		},
	}
	cmd.Flags().StringVar(&scaler, "scaler", "", "URL of pelton-scaler's HTTP address: ask what it tells KEDA")
	namespaceFlag(cmd, &namespace)
	return cmd
}

// whyAnywhere asks who can answer: the scaler that was named, if no cluster was; else whoever has the function.
func (a *app) whyAnywhere(ctx context.Context, name, namespace, scaler string) error {
	key, err := keyIn(name, namespace)
	if err != nil {
		return err
	}
	if scaler != "" && a.kubeContext == "" && a.kubeconfig == "" {
		return a.whyScaler(ctx, key, scaler)
	}
	p, key, err := a.findFunction(name, namespace)
	if e, ok := errors.AsType[*Error](err); ok && e.Exit == ExitUnreachable {
		e.Hint += "; or ask pelton-scaler alone with --scaler URL"
	}
	if err != nil {
		return err
	}
	if p.up != nil {
		return a.why(ctx, p.up, key)
	}
	return a.whyInCluster(ctx, p.cluster, key, scaler)
}

// keyIn reads a function's name whose namespace may be given apart.
func keyIn(name, namespace string) (function.Key, error) {
	if namespace != "" && strings.Contains(name, "/") {
		return function.Key{}, usage("one or the other", "the namespace is given twice: %q and --namespace %s", name, namespace)
	}
	if namespace != "" {
		name = namespace + "/" + name
	}
	return parseKey(name)
}

const whyTimeout = 15 * time.Second

func (a *app) why(ctx context.Context, state *upState, key function.Key) error {
	ctx, cancel := context.WithTimeout(ctx, whyTimeout)
	defer cancel()
	d := &diagnosis{Function: key.String()}
	failure := diagnose(ctx, state, key, d)
	var e *Error
	if failure != nil && !errors.As(failure, &e) {
		return failure
	}
	d.conclude("nothing is wrong: it runs when an event is due")
	if err := a.showDiagnosis(d); err != nil {
		return err
	}
	return failure
}

// diagnose fills in the lines. An *Error ends them early, after the line that tells it.
func diagnose(ctx context.Context, state *upState, key function.Key, d *diagnosis) error {
	running := fmt.Sprintf("runs as pid %d since %s", state.PID, ago(state.StartedAt, time.Now()))
	d.add(check{Name: "pelton up", State: checkOK, Detail: running})
	c := newControlClient(state.ControlSocket)
	v, err := c.describe(ctx, key)
	if errors.Is(err, errNoFunction) {
		err = c.unknownFunction(ctx, key)
	}
	var e *Error
	if errors.As(err, &e) {
		d.add(check{Name: "manifest", State: checkFail, Detail: e.Message, Try: e.Hint})
		return e
	}
	if err != nil {
		return err
	}
	t := &target{state: state, url: state.NATSURL}
	if err := t.dial(ctx); err != nil {
		d.add(check{Name: "NATS", State: checkFail, Detail: err.Error()})
		return err
	}
	defer t.close()
	w := whyFunction{view: v, js: t.js, now: time.Now()}
	w.all(ctx, d)
	return ctx.Err()
}

func (a *app) showDiagnosis(d *diagnosis) error {
	if a.json() {
		return a.writeJSON(d)
	}
	p := a.painter(a.stdout)
	marks := map[string]string{checkOK: p.green("ok  "), checkFail: p.red("FAIL"), checkNote: p.yellow("note")}
	width := 0
	for _, c := range d.Checks {
		width = max(width, len(c.Name))
	}
	for _, c := range d.Checks {
		fmt.Fprintf(a.stdout, "%s  %-*s  %s\n", marks[c.State], width, c.Name, oneLine(c.Detail, 300))
		for _, line := range c.Lines {
			fmt.Fprintf(a.stdout, "      %*s  | %s\n", width, "", oneLine(line, 200))
		}
		if c.Try != "" {
			fmt.Fprintf(a.stdout, "      %*s  try: %s\n", width, "", c.Try)
		}
	}
	_, err := fmt.Fprintf(a.stdout, "\n%s: %s\n", d.Function, oneLine(d.Answer, 400))
	return err
}
