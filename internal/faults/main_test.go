package faults_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/pelton-dev/pelton/internal/faults"
)

// The built sidecars; TestMain writes them before any test runs, unless none needs them.
var sidecar, plantedSidecar string

// atOnce is how many worlds run side by side: they wait much more than they compute.
const atOnce = 6

func TestMain(m *testing.M) {
	if code, isRole := faults.RunRole(untilTerminated()); isRole {
		os.Exit(code)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(runtime.GOMAXPROCS(0), atOnce))); err != nil {
		panic(err)
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	if testing.Short() {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "faults-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sidecar, plantedSidecar = filepath.Join(dir, "sidecar"), filepath.Join(dir, "planted")
	for path, tags := range map[string]string{sidecar: "", plantedSidecar: faults.PlantedTag} {
		build := exec.CommandContext(context.Background(), "go", "build", "-tags", tags, "-o", path, faults.SidecarPackage)
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the sidecar: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}
