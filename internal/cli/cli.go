package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// app is what the commands share: the streams they talk on and the flags that all of them have.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string

	output   string // text or json
	natsURL  string
	creds    string
	stateDir string

	kubeconfig  string // of a cluster that was named
	kubeContext string
}

// Config is what the process gives to Run.
type Config struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
}

// Run executes one command line and returns its exit code. When ctx ends because of a signal, its cause should be a
// *SignalError.
func Run(ctx context.Context, cfg Config) int {
	a := &app{stdin: cfg.Stdin, stdout: cfg.Stdout, stderr: cfg.Stderr, getenv: cfg.Getenv}
	root := a.root()
	root.SetArgs(cfg.Args)
	root.SetIn(cfg.Stdin)
	root.SetOut(cfg.Stdout)
	root.SetErr(cfg.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	e := classify(ctx, err)
	report(cfg.Stderr, e, a.json() || wantsJSON(cfg.Args))
	return e.Exit
}

// wantsJSON finds -o json in a command line that could not be read to its end.
func wantsJSON(args []string) bool {
	line := " " + strings.Join(args, " ") + " "
	for _, form := range []string{" -o json ", " -o=json ", " -ojson ", " --output json ", " --output=json "} {
		if strings.Contains(line, form) {
			return true
		}
	}
	return false
}

func (a *app) json() bool { return a.output == "json" }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pelton",
		Short: "Run functions from NATS JetStream events, from zero",
		Long: "Pelton runs functions from NATS JetStream events: events queue durably, functions start from zero\n" +
			"when there is work, and nothing is acknowledged before its outcome is safely recorded.\n\n" + exitHelp,
		Example: "  # Start everything on this machine: NATS, HTTP, and the functions of a folder\n" +
			"  pelton up functions/examples\n\n" +
			"  # Publish an event from a second terminal\n" +
			"  pelton send hello --data '{\"name\":\"you\"}'",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "text", "what stdout and errors look like: text or json")
	flags.StringVar(&a.natsURL, "nats", "", "NATS server to use (default: the one of the running pelton up, then $NATS_URL)")
	flags.StringVar(&a.creds, "creds", "", "NATS credentials file for a server that was named (default: $NATS_CREDS)")
	flags.StringVar(&a.stateDir, "state-dir", "", "folder of pelton up's state (default: .pelton here or in a folder above)")
	flags.StringVar(&a.kubeContext, "context", "", "cluster to use: a context of the kubeconfig (default: the current one)")
	flags.StringVar(&a.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster to use (default: $KUBECONFIG, then ~/.kube/config)")
	bindEnv(flags, "output", "nats", "creds", "state-dir")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(cmd.CommandPath()+" --help", "%s", err)
	})
	root.AddCommand(a.upCommand(), a.newCommand(), a.sendCommand(), a.invokeCommand(), a.functionsCommand(), a.dlqCommand(),
		a.replayCommand(),
		a.whyCommand(), a.logsCommand(), a.validateCommand(), a.buildCommand(), a.renderCommand(), a.applyCommand(), a.diffCommand(),
		a.deleteCommand(), a.provisionCommand(), a.deprovisionCommand(), a.natsKeysCommand(), a.versionCommand(),
		a.completionCommand(root))
	prepareTree(root)
	return root
}

// prepare reads the environment for flags that were not given and checks what all commands share.
func (a *app) prepare(cmd *cobra.Command) error {
	if err := applyEnv(cmd.Flags(), a.getenv); err != nil {
		return err
	}
	if a.output != "text" && a.output != "json" {
		return usage("-o text or -o json", "unknown output format %q", a.output)
	}
	return nil
}

// prepareTree gives every command the rules that hold for all: a group without a subcommand shows its help, an unknown
// subcommand is a usage error with suggestions, and errors of a command's work are told apart from those of its line.
func prepareTree(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		prepareTree(c)
	}
	if cmd.HasSubCommands() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = groupHelp
		return
	}
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usage(cmd.CommandPath()+" --help", "%s (usage: %s)", err, cmd.UseLine())
			}
			return nil
		}
	}
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := run(cmd, args); err != nil {
			return failed{err}
		}
		return nil
	}
}

func groupHelp(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := cmd.CommandPath() + " --help"
	if near := nearestCommand(cmd, args[0]); near != "" {
		hint = cmd.CommandPath() + " " + near
	}
	return usage(hint, "unknown command %q for %q", args[0], cmd.CommandPath())
}

// nearestCommand is the subcommand that begins with what was typed, or is close to it.
func nearestCommand(cmd *cobra.Command, typed string) string {
	var names []string
	for _, c := range cmd.Commands() {
		if strings.HasPrefix(c.Name(), typed) {
			return c.Name()
		}
		names = append(names, c.Name())
	}
	return closest(typed, names)
}

// say writes a line for people to stderr, unless the output is JSON.
func (a *app) say(format string, args ...any) {
	if !a.json() {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}
