// Command lab runs a real Kubernetes and KEDA on this machine, for tests (see deploy/docs/lab.md).
//
//	go run ./internal/lab/cmd/lab up
//
// What it starts goes on after it has ended, until `lab down`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/pelton-dev/pelton/internal/lab"
)

const usage = `usage: lab COMMAND

  up [-hpa 5s]        start the cluster, or repair it; tells every step and its time
  down                end it and take back what it changed on this machine
  status              one line per component; exit code 1 if something is down
  build               build the programs only
  load IMAGE.tar...   load image archives
  restart COMPONENT   end a component and start it again
  host NAME [IP...]   give a name to addresses in /etc/hosts, until down; without an IP take it away
  kubectl ARGS...     run kubectl on the cluster

The exit code is 3 where a lab cannot run: not as root, not on Linux, too little disk space, a kernel that lacks something.
The cluster lives in $PELTON_LAB_DIR, by default ` + lab.DefaultDir + `.
`

// errDown makes the exit code, and says nothing more than the table did.
var errDown = errors.New("")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode()) // kubectl has said what is wrong
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	default:
		if !errors.Is(err, errDown) {
			fmt.Fprintf(os.Stderr, "lab: %v\n", err)
		}
		if errors.Is(err, lab.ErrMachine) {
			os.Exit(3)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return flag.ErrHelp
	}
	cfg := lab.Config{Out: os.Stdout}
	command, args := args[0], args[1:]
	if command == "up" {
		flags := flag.NewFlagSet("lab up", flag.ContinueOnError)
		flags.DurationVar(&cfg.HPASyncPeriod, "hpa", lab.DefaultHPASyncPeriod, "how often the autoscaler looks at metrics")
		if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
			return flag.ErrHelp
		}
		args = nil
	}
	cluster, err := lab.New(cfg)
	if err != nil {
		return err
	}
	switch {
	case command == "load" && len(args) > 0:
		return load(ctx, cluster, args)
	case command == "restart" && len(args) == 1:
		return cluster.Restart(ctx, args[0])
	case command == "host" && len(args) > 0:
		return cluster.SetHost(ctx, args[0], args[1:]...)
	case command == "kubectl":
		return kubectl(ctx, cluster, args)
	case len(args) > 0:
		return flag.ErrHelp
	}
	switch command {
	case "up":
		return cluster.Up(ctx)
	case "down":
		return cluster.Down(ctx)
	case "build":
		return cluster.Build(ctx)
	case "status":
		return status(ctx, cluster)
	}
	return flag.ErrHelp
}

func load(ctx context.Context, cluster *lab.Cluster, archives []string) error {
	for _, archive := range archives {
		if err := cluster.LoadImage(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

func kubectl(ctx context.Context, cluster *lab.Cluster, args []string) error {
	cmd := cluster.KubectlCommand(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

func status(ctx context.Context, cluster *lab.Cluster) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tPID\tUPTIME\tHEALTHY\tLOG")
	var err error
	for _, s := range cluster.Status(ctx) {
		pid, uptime, healthy := "-", "-", "yes"
		if s.PID != 0 {
			pid, uptime = fmt.Sprint(s.PID), s.Uptime.String()
		}
		if s.Problem != nil {
			problem, _, _ := strings.Cut(s.Problem.Error(), "\n")
			healthy, err = "no: "+problem, errDown
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.Name, pid, uptime, healthy, s.Log)
	}
	return errors.Join(table.Flush(), err)
}
