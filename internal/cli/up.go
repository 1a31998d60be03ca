package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// upOptions are the flags of up.
type upOptions struct {
	paths     []string
	port      portNumber
	natsPort  portNumber
	natsURL   string
	stateDir  string
	ephemeral bool
	watch     bool
	tokenFile string
	rulesFile string
	grace     time.Duration
	logLevel  string
}

func (a *app) upCommand() *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up [PATH...]",
		Short: "Run everything on this machine: NATS, HTTP and the functions",
		Long: "Run everything on this machine: a NATS server with JetStream on 127.0.0.1, HTTP for events, and the functions\n" +
			"of the manifests in PATH (files or folders, default: this folder). Functions start when there is work and stop when\n" +
			"there is none. Events, retries and dead letters are kept in the state folder; every write is synced. With\n" +
			"--ephemeral that folder only tells other commands where to find this run.\n\n" +
			"Ctrl-C stops it: running calls may end within --grace, the exit code is 0. A second Ctrl-C stops it at once.",
		Example: "  # The functions of a folder\n  pelton up functions/examples\n\n" +
			"  # On other ports, forgetting everything at the end\n  pelton up --port 9090 --nats-port 5222 --ephemeral hello/\n\n" +
			"  # With a NATS server that runs already\n  pelton up --nats nats://127.0.0.1:4222 functions/\n\n" +
			"  # For a program: one JSON object per line\n  pelton up -o json functions/",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths, o.natsURL, o.stateDir = pathsOr(args), a.natsURL, a.stateDir
			if err := excludes(cmd, "nats", "nats-port", "ephemeral"); err != nil {
				return err
			}
			return a.up(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	o.port, o.natsPort = 8080, 4222
	flags.Var(&o.port, "port", "HTTP port on 127.0.0.1; 0 takes any free one")
	flags.Var(&o.natsPort, "nats-port", "NATS port on 127.0.0.1; 0 takes any free one")
	flags.StringVar(&a.natsURL, "nats", "", "use this NATS server instead of starting one") // not $NATS_URL, as elsewhere
	flags.BoolVar(&o.ephemeral, "ephemeral", false, "keep nothing: events are in a temporary folder that is deleted at the end")
	flags.BoolVar(&o.watch, "watch", true, "restart a function when its files change")
	flags.StringVar(&o.tokenFile, "token-file", "", "file with the bearer tokens of HTTP callers: lines of NAME TOKEN, or one token")
	flags.StringVar(&o.rulesFile, "access-file", "", "file that says what HTTP callers may, and how much of it")
	flags.DurationVar(&o.grace, "grace", 20*time.Second, "how long running calls may go on when pelton stops")
	flags.StringVar(&o.logLevel, "log-level", "warn", "log to stderr: debug, info, warn or error")
	bindEnv(flags, "port", "nats-port", "nats", "ephemeral", "watch", "token-file", "access-file", "grace", "log-level")
	return cmd
}

// excludes refuses flags that mean nothing beside another one.
func excludes(cmd *cobra.Command, flag string, others ...string) error {
	if !cmd.Flags().Changed(flag) {
		return nil
	}
	for _, other := range others {
		if cmd.Flags().Changed(other) {
			return usage("one or the other", "--%s and --%s exclude each other", flag, other)
		}
	}
	return nil
}

// check finds mistakes in the flags before anything is touched.
func (o *upOptions) check() error {
	if o.port != 0 && o.port == o.natsPort && o.natsURL == "" {
		return usage("two different ports", "--port and --nats-port are both %d", o.port)
	}
	if o.grace <= 0 {
		return usage("--grace 20s", "--grace must be positive")
	}
	return nil
}

// logger writes what packages log to stderr, for people in lines like those of runs.
func (a *app) logger(level string) (*zap.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, usage("--log-level debug, info, warn or error", "unknown log level %q", level)
	}
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime, cfg.ConsoleSeparator = zapcore.TimeEncoderOfLayout(clockLayout), "  "
	encoder := zapcore.NewConsoleEncoder(cfg)
	if a.json() {
		cfg.EncodeTime = zapcore.ISO8601TimeEncoder
		encoder = zapcore.NewJSONEncoder(cfg)
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(a.stderr)), l)
	return zap.New(core), nil
}

// upTotals is the last thing that up says.
func upTotals(c *console) string {
	return fmt.Sprintf("%d done, %d to retry, %d dead, %d failed, %d filtered out",
		c.total("done"), c.total("retry"), c.total("dead"), c.total("failed"), c.total("filtered"))
}
