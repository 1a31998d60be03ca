package faults_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/pelton-dev/pelton/internal/faults"
)

// What worlds are made of, without bugs and with; TestMain writes them before any test runs, unless none needs them.
var programs, plantedPrograms faults.Programs

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
	for _, build := range []struct {
		into    *faults.Programs
		planted bool
	}{{&programs, false}, {&plantedPrograms, true}} {
		folder := filepath.Join(dir, strconv.FormatBool(build.planted))
		if *build.into, err = faults.Build(context.Background(), folder, build.planted); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}
