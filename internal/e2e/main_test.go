package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// pelton is the built program; TestMain writes it before any test runs.
var pelton string

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeEnv); mode != "" {
		os.Exit(runHandler(mode))
	}
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(runtime.GOMAXPROCS(0), atOnce))); err != nil {
		panic(err)
	}
	os.Exit(buildAndRun(m))
}

// atOnce is how many tests run side by side: they wait much more than they compute.
const atOnce = 6

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pelton-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	pelton = filepath.Join(dir, "pelton")
	build := exec.Command("go", "build", "-o", pelton, "github.com/pelton-dev/pelton/cmd/pelton")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build pelton: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
