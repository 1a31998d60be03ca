// Command faults runs the real programs, hurts them while events come in, and judges what became of the events.
//
//	go run ./internal/faults/cmd/faults                       # about two minutes, a seed of its own
//	go run ./internal/faults/cmd/faults -seed 7               # the same faults and events again
//	go run ./internal/faults/cmd/faults -profile ci           # 50,000 events, within ten minutes
//	go run ./internal/faults/cmd/faults -replay VERDICT       # what a verdict file is of, again
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

func run(ctx context.Context) (err error) {
	o, err := readOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	o.cfg.Out = os.Stderr
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
	if o.cfg.Programs, err = faults.Build(ctx, bin, o.cfg.Planted != "" || o.cfg.Dies != ""); err != nil {
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
	if !v.Passed {
		return errBroken
	}
	return nil
}
