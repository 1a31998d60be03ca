package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// copyCRDs takes KEDA's resource definitions from its module, of the same version as the programs.
func (c *Cluster) copyCRDs(ctx context.Context) error {
	keda := program{module: "keda"}
	gomod, err := os.ReadFile(filepath.Join(c.module(keda), "go.mod"))
	if err != nil {
		return fmt.Errorf("find KEDA's module: %w", err)
	}
	version, err := required(gomod, "github.com/kedacore/keda/v2")
	if err != nil {
		return err
	}
	mark := c.path("bin", "keda-crds", ".version")
	if text, err := os.ReadFile(mark); err == nil && string(text) == version {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/kedacore/keda/v2")
	cmd.Dir = c.module(keda)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := output(cmd)
	if err != nil {
		return fmt.Errorf("find KEDA's module: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "config", "crd", "bases", "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("find resource definitions in KEDA's module: %d files, %w", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("copy resource definition: %w", err)
		}
		if err := writeChanged(c.path("bin", "keda-crds", filepath.Base(file)), text, 0o644); err != nil {
			return err
		}
	}
	return writeChanged(mark, []byte(version), 0o644)
}

// kedaObjects makes KEDA's resources known, and the way to its metrics. What was applied stays until the cluster ends.
func (c *Cluster) kedaObjects(ctx context.Context) (string, error) {
	applied := c.path("run", "keda.applied")
	want, err := os.ReadFile(c.path("run", "keda.yaml"))
	if err != nil {
		return "", fmt.Errorf("read KEDA's objects: %w", err)
	}
	if have, err := os.ReadFile(applied); err == nil && string(have) == string(want) {
		return "applied", nil
	}
	// One of the definitions is larger than an annotation may be, which a client-side apply would write.
	if _, err := c.Kubectl(ctx, "", "apply", "--server-side", "--force-conflicts", "-f", c.path("bin", "keda-crds")); err != nil {
		return "", err
	}
	if _, err := c.Kubectl(ctx, "", "apply", "--server-side", "--force-conflicts", "-f", c.path("run", "keda.yaml")); err != nil {
		return "", err
	}
	if err := await(ctx, never, c.healthy(apiURL("/apis/keda.sh/v1alpha1/scaledobjects"))); err != nil {
		return "", err
	}
	return "", writeChanged(applied, want, 0o644)
}
