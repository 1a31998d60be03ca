// Command bench measures Pelton against the bare loop on the same machine, in the same run, and prints one table of ratios.
//
// The bare loop ("L") pulls, calls and acknowledges, and does nothing else: it is the limit of what a sidecar could reach
// here. Server, sidecar, handler and bare loop are processes of their own; the sidecar is the real binary. Machines differ
// and drift, so only the ratios mean anything. Everything it starts it also stops.
//
//	go run ./internal/bench               # everything
//	go run ./internal/bench -only drain   # one part: drain, batch, accept, latency, stall, coldstart, wake, idle, memory,
//	                                      # scaler, build, slowclients, http
//	go run ./internal/bench -quick        # a first look at everything
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// part is one measurement. It adds its rows to the table.
type part struct {
	name string
	run  func(ctx context.Context, r *rig, t *table) error
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		runRole(role)
		return
	}
	var opts options
	flag.StringVar(&opts.only, "only", "", "comma-separated parts to run (default all)")
	flag.IntVar(&opts.events, "n", 100_000, "events of the drain")
	flag.IntVar(&opts.rounds, "rounds", 5, "rounds of the drain; the median counts")
	flag.StringVar(&opts.transport, "transport", "",
		"one transport for the drain: \"http tcp\", \"http unix\" or stream (default all)")
	flag.IntVar(&opts.functions, "functions", 10_000, "functions that the scaler watches")
	flag.BoolVar(&opts.quick, "quick", false, "a tenth of the runs and of the time, for a first look (not for the drain)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, opts); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	only           string
	transport      string
	events, rounds int
	functions      int
	quick          bool
}

// few and short are how often and how long something is measured: less in a quick run, whose figures are for a first look.
func (o options) few(n int) int {
	if o.quick {
		return max(1, n/10)
	}
	return n
}

func (o options) short(d time.Duration) time.Duration {
	if o.quick {
		return max(time.Second, d/10)
	}
	return d
}

func measure(ctx context.Context, opts options) error {
	parts := []part{
		{"drain", drain},
		{"batch", batches},
		{"accept", accept},
		{"latency", latency},
		{"stall", stall},
		{"coldstart", coldStart},
		{"wake", wakeUp},
		{"idle", idle},
		{"memory", memory},
		{"scaler", scaler},
		{"build", buildTime},
		{"slowclients", slowClients},
		{"http", httpTasks}, // the last: it ends with an error where gunicorn is missing
	}
	r, err := newRig(ctx, opts)
	if err != nil {
		return err
	}
	defer r.close()
	t := &table{}
	for _, p := range parts {
		if opts.only != "" && !strings.Contains(","+opts.only+",", ","+p.name+",") {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s\n", p.name)
		if err := p.run(ctx, r, t); err != nil {
			t.print(os.Stdout)
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	t.print(os.Stdout)
	return nil
}
