package disk_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pelton-dev/pelton/internal/faults/disk"
	"github.com/pelton-dev/pelton/internal/program"
)

// The built programs; TestMain writes them before any test runs.
var pelton, plantedPelton string

// why says why nothing here can be tested, "" if it can.
var why string

func TestMain(m *testing.M) {
	if code, isHandler := disk.RunHandler(); isHandler {
		os.Exit(code)
	}
	flag.Parse()
	if testing.Short() {
		why = "runs whole machines"
		os.Exit(m.Run())
	}
	code, outside, err := disk.OwnMounts(program.UntilSignal(context.Background()))
	switch {
	case errors.Is(err, disk.ErrNoRoot):
		why = err.Error()
		fmt.Fprintln(os.Stderr, "SKIPPED: "+why)
		os.Exit(m.Run())
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case outside:
		os.Exit(code)
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "disk-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	pelton, plantedPelton = filepath.Join(dir, "pelton"), filepath.Join(dir, "planted")
	for path, tags := range map[string]string{pelton: "", plantedPelton: disk.PlantedTag} {
		build := exec.CommandContext(context.Background(), "go", "build", "-tags", tags, "-o", path, disk.PeltonPackage)
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build pelton: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// newDir is a folder for one run; its path is short enough for sockets. It stays when the test fails.
func newDir(t *testing.T) string {
	t.Helper()
	if why != "" {
		t.Skip(why)
	}
	dir, err := os.MkdirTemp("", "disk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("output and notes are in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
