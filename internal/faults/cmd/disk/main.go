// Command disk runs `pelton up` on a file system of its own, takes away its power or its space, and judges what
// became of the events.
//
//	go run ./internal/faults/cmd/disk power              # five power cuts, a seed of its own
//	go run ./internal/faults/cmd/disk power -cuts 100
//	go run ./internal/faults/cmd/disk power -planted sync-off   # must print FAILED
//	go run ./internal/faults/cmd/disk full               # the disk is full three times
//
// It exits with 1 if a promise was broken, and with 77 where it cannot run: it needs Linux, root and mkfs.ext4.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/pelton-dev/pelton/internal/faults/disk"
	"github.com/pelton-dev/pelton/internal/program"
)

// exitSkipped says that this machine cannot run it.
const exitSkipped = 77

var errBroken = errors.New("a promise was broken")

func main() {
	if code, isHandler := disk.RunHandler(); isHandler {
		os.Exit(code)
	}
	ctx := program.UntilSignal(context.Background())
	code, outside, err := disk.OwnMounts(ctx)
	switch {
	case errors.Is(err, disk.ErrNoRoot):
		fmt.Fprintf(os.Stderr, "SKIPPED: %v\n", err)
		os.Exit(exitSkipped)
	case outside && err == nil:
		os.Exit(code)
	case err == nil:
		err = run(ctx, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "disk: %v\n", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("want one of power, full")

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "power":
		return power(ctx, args[1:])
	case "full":
		return full(ctx, args[1:])
	default:
		return fmt.Errorf("fault %q: %w", args[0], errUsage)
	}
}

// place is where a run has its programs and files.
type place struct{ dir, self, pelton string }

// newPlace builds the program, with the bugs in it if one is wanted. The folder is gone after undo.
func newPlace(ctx context.Context, planted string) (p place, undo func(), err error) {
	if p.self, err = os.Executable(); err != nil {
		return p, nil, fmt.Errorf("find this program: %w", err)
	}
	if p.dir, err = os.MkdirTemp("", "disk"); err != nil {
		return p, nil, fmt.Errorf("make folder: %w", err)
	}
	p.pelton = filepath.Join(p.dir, "pelton")
	args := []string{"build", "-o", p.pelton}
	if planted != "" {
		args = append(args, "-tags", disk.PlantedTag)
	}
	undo = func() { _ = os.RemoveAll(p.dir) }
	if out, err := exec.CommandContext(ctx, "go", append(args, disk.PeltonPackage)...).CombinedOutput(); err != nil {
		undo()
		return p, nil, fmt.Errorf("build pelton: %w: %s", err, out)
	}
	return p, undo, nil
}

// newSeed is another one each time.
func newSeed() uint64 { return uint64(time.Now().UnixNano()) % 1_000_000 }

func power(ctx context.Context, args []string) error {
	cfg := disk.PowerConfig{Out: os.Stderr}
	flags := flag.NewFlagSet("power", flag.ExitOnError)
	flags.IntVar(&cfg.Cuts, "cuts", 5, "how often to cut the power")
	flags.Uint64Var(&cfg.Seed, "seed", newSeed(), "decides on the moments")
	flags.StringVar(&cfg.Planted, "planted", "", "build pelton with this bug in it: sync-off")
	verdict := flags.String("verdict", "", "write the verdict to this file, too")
	_ = flags.Parse(args) // it exits
	fmt.Printf("seed %d\n", cfg.Seed)
	p, undo, err := newPlace(ctx, cfg.Planted)
	if err != nil {
		return err
	}
	defer undo()
	cfg.Dir, cfg.Self, cfg.Pelton = p.dir, p.self, p.pelton
	v, err := disk.CutPower(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Printf("%d power cuts, %d events acknowledged: %d lost, %d hands needed\n",
		len(v.Cuts), v.Acked(), v.Lost(), v.Troubles())
	return conclude(v, v.Passed(), *verdict)
}

func full(ctx context.Context, args []string) error {
	cfg := disk.FullConfig{Out: os.Stderr}
	flags := flag.NewFlagSet("full", flag.ExitOnError)
	flags.IntVar(&cfg.Rounds, "rounds", 3, "how often to fill the disk and free it")
	verdict := flags.String("verdict", "", "write the verdict to this file, too")
	_ = flags.Parse(args) // it exits
	p, undo, err := newPlace(ctx, "")
	if err != nil {
		return err
	}
	defer undo()
	cfg.Dir, cfg.Self, cfg.Pelton = p.dir, p.self, p.pelton
	v, err := disk.FillDisk(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Printf("%d times full, %d events acknowledged: %d lost\n", len(v.Rounds), v.Accepted(), v.Lost())
	return conclude(v, v.Passed(), *verdict)
}

// conclude says the last word, and writes the verdict if a file is named.
func conclude(verdict any, passed bool, path string) error {
	if path != "" {
		data, err := json.MarshalIndent(verdict, "", "  ")
		if err == nil {
			err = os.WriteFile(path, append(data, '\n'), 0o600)
		}
		if err != nil {
			return fmt.Errorf("write verdict: %w", err)
		}
	}
	if !passed {
		fmt.Println("FAILED")
		return errBroken
	}
	fmt.Println("PASSED")
	return nil
}
