package faults

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// PlantedTag builds programs with bugs in them, in the files planted_on.go, which PELTON_PLANTED switches on.
const PlantedTag = "planted"

// Programs are the paths of what a world runs. Sidecar is needed, or Pelton by a world with a host. Without Bridge there is
// no HTTP entry.
type Programs struct {
	Sidecar string // pelton-sidecar
	Bridge  string // internal/faults/cmd/bridge
	Pelton  string // pelton, whose `up` is the host
}

// Build compiles them into a folder, which is made, with bugs that can be switched on if planted.
func Build(ctx context.Context, dir string, planted bool) (Programs, error) {
	const module = "github.com/pelton-dev/pelton/"
	p := Programs{
		Sidecar: filepath.Join(dir, "pelton-sidecar"), Bridge: filepath.Join(dir, "bridge"), Pelton: filepath.Join(dir, "pelton"),
	}
	args := []string{"build", "-o", dir + "/"}
	if planted {
		args = append(args, "-tags", PlantedTag)
	}
	args = append(args, module+"cmd/pelton-sidecar", module+"cmd/pelton", module+"internal/faults/cmd/bridge")
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return p, fmt.Errorf("build the programs: %w: %s", err, out)
	}
	return p, nil
}
