// Command faults runs the real programs, hurts them while events come in, and judges what became of the events.
//
//	go run ./internal/faults/cmd/faults             # about two minutes, a seed of its own
//	go run ./internal/faults/cmd/faults -seed 7     # the same faults and events again
//
// It prints the seed first and the verdict last, and exits with 1 if a promise was broken. It needs Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pelton-dev/pelton/internal/faults"
	"github.com/pelton-dev/pelton/internal/program"
)

var errBroken = errors.New("a promise was broken")

func main() {
	ctx := program.UntilSignal(context.Background())
	if code, isRole := faults.RunRole(ctx); isRole {
		os.Exit(code)
	}
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "faults: %v\n", err)
		os.Exit(1)
	}
}

type options struct {
	cfg     faults.Config
	rate    float64
	planted string
	verdict string
	keep    bool
}

func readFlags() options {
	var o options
	flag.Uint64Var(&o.cfg.Seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "decides on every fault and every event")
	flag.DurationVar(&o.cfg.Duration, "duration", time.Minute, "how long there are events and faults")
	flag.DurationVar(&o.cfg.Every, "every", 1500*time.Millisecond, "between two faults, on average; 0 is none")
	flag.Float64Var(&o.rate, "rate", 100, "events a second")
	flag.StringVar(&o.planted, "planted", "", "build the programs with this bug in them, and run what shows it")
	flag.StringVar(&o.cfg.Dies, "dies", "", "build a sidecar that dies of itself now and then: "+faults.DiesAfterHandler+" or "+
		faults.DiesAfterRecord)
	flag.StringVar(&o.verdict, "verdict", "", "write the verdict to this file, too")
	flag.BoolVar(&o.keep, "keep", false, "keep the folder of logs, ledgers and store")
	flag.Parse()
	o.cfg.Load = faults.DefaultLoad(o.rate, o.cfg.Duration)
	o.cfg.Out = os.Stderr
	return o
}

// check refuses what cannot be, and makes the run the one that shows a bug, if one is asked for.
func (o *options) check() error {
	if o.cfg.Dies != "" && o.cfg.Dies != faults.DiesAfterHandler && o.cfg.Dies != faults.DiesAfterRecord {
		return fmt.Errorf("-dies %q: want %s or %s", o.cfg.Dies, faults.DiesAfterHandler, faults.DiesAfterRecord)
	}
	if o.rate <= 0 {
		return fmt.Errorf("-rate %g: want more than 0 events a second", o.rate)
	}
	if o.planted == "" {
		return nil
	}
	bug, err := faults.FindBug(o.planted)
	if err != nil {
		return fmt.Errorf("-planted: %w", err)
	}
	o.cfg = bug.Apply(o.cfg)
	return nil
}

func run(ctx context.Context) (err error) {
	o := readFlags()
	if err := o.check(); err != nil {
		return err
	}
	fmt.Printf("seed %d\n", o.cfg.Seed)
	if o.cfg.Dir, err = os.MkdirTemp("", "faults"); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if o.keep {
		fmt.Fprintf(os.Stderr, "everything is in %s\n", o.cfg.Dir)
	} else {
		defer func() { _ = os.RemoveAll(o.cfg.Dir) }()
	}
	if o.cfg.Self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	bin := filepath.Join(o.cfg.Dir, "bin")
	if o.cfg.Programs, err = faults.Build(ctx, bin, o.planted != "" || o.cfg.Dies != ""); err != nil {
		return err
	}
	v, err := faults.Run(ctx, o.cfg)
	if err != nil {
		return err
	}
	return report(v, o.verdict)
}

func report(v *faults.Verdict, path string) error {
	if err := v.Print(os.Stdout); err != nil {
		return err
	}
	if path != "" {
		if err := v.WriteFile(path); err != nil {
			return err
		}
	}
	if !v.Passed() {
		return errBroken
	}
	return nil
}
