package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pelton-dev/pelton/internal/bundle"
)

// compile builds all programs for a platform into a folder, with one command: they share most of what is compiled.
func compile(ctx context.Context, packages []string, p v1.Platform, dir string, stderr io.Writer) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make folder to build in: %w", err)
	}
	args := append([]string{"build"}, bundle.GoFlags()...)
	args = append(args, "-o", dir+"/")
	for _, pkg := range packages {
		args = append(args, "./"+strings.TrimPrefix(pkg, "./"))
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), bundle.GoEnv(p)...), stderr, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("compile for %s: %w", p, err)
	}
	return nil
}
