package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// buildTime builds the command line with an empty build cache, as on a fresh machine that has the modules.
func buildTime(ctx context.Context, r *rig, t *table) error {
	cache, err := os.MkdirTemp(r.dir, "cache")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(cache) }()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(cache, "pelton"),
		"github.com/pelton-dev/pelton/cmd/pelton")
	cmd.Env = append(os.Environ(), "GOCACHE="+cache)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	t.limit("build, cold, pelton, s", "%.0f", 60, time.Since(began).Seconds(), "below 1.00")
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.add("  processor time, s", "", fmt.Sprintf("%.0f", used.Seconds()), "", "")
	return nil
}
