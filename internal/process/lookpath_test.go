package process

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// program writes an executable shell script.
func program(t *testing.T, file, script string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	// A child that is forked while the file is open for writing keeps it open until its exec: "text file busy" for whoever
	// runs it.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLookPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tool := program(t, filepath.Join(dir, "bin", "tool"), "exit 0")
	env := []string{"PATH=/nowhere", "PATH=/none:" + filepath.Join(dir, "bin")}
	for _, name := range []string{"tool", "./tool", tool, "../bin/tool"} {
		got, err := LookPath(name, filepath.Join(dir, "bin"), env)
		if err != nil || got != tool {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"other", "./other"} {
		if _, err := LookPath(name, dir, env); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestLookPathFollowsShims has a version manager that answers, and one that does not.
func TestLookPathFollowsShims(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), ".pyenv")
	env := []string{"PATH=" + filepath.Join(root, "shims") + ":/usr/bin:/bin"}
	shim := program(t, filepath.Join(root, "shims", "python3"), "exit 0")
	if got, err := LookPath("python3", "/", env); err != nil || got != shim {
		t.Fatalf("without a manager: %q, %v", got, err)
	}
	real := program(t, filepath.Join(root, "versions", "python3"), "exit 0")
	program(t, filepath.Join(root, "bin", "pyenv"), `[ "$1 $2" = "which python3" ] && echo "`+real+`"`)
	if got, err := LookPath("python3", "/", env); err != nil || got != real {
		t.Fatalf("got %q, %v, want %q", got, err, real)
	}
}
