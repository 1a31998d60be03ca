package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/waittest"
)

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("want %q in: %v", part, err)
		}
	}
}

func TestDirectoriesThatAreRefused(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{
		"relative": "absolute", "/": "clean absolute", "/a/../b": "clean absolute", "/a/": "clean absolute",
		"/" + strings.Repeat("x", 100): "too long",
	} {
		_, err := New(Config{Dir: dir})
		wantError(t, err, dir, want)
	}
}

// TestClaim takes an empty directory, the same again, and none with files of others.
func TestClaim(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &Cluster{dir: filepath.Join(dir, "new")}
	for range 2 {
		if err := c.claimDir(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.path("something"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, (&Cluster{dir: dir}).claimDir(), dir, "files of others")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("something was written: %v, %v", entries, err)
	}
}

// TestLock makes a second command wait for the first.
func TestLock(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	if _, err := c.lockDir(t.Context()); !errors.Is(err, ErrDown) {
		t.Errorf("no lab: %v", err)
	}
	if err := os.WriteFile(c.path(marker), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	unlock, err := c.lockDir(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.lockDir(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("locked twice, or another error: %v", err)
	}
	second := make(chan error)
	go func() {
		unlock, err := c.lockDir(t.Context())
		if err == nil {
			unlock()
		}
		second <- err
	}()
	unlock()
	if err := waittest.Receive(t, second); err != nil {
		t.Error(err)
	}
}

// TestOpenWhatIsNotRunning tells what to do, for no lab, half of one, and a damaged one.
func TestOpenWhatIsNotRunning(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	_, err := Open(c.dir)
	if !errors.Is(err, ErrDown) {
		t.Errorf("no lab: %v", err)
	}
	if err := c.writeState(&state{Boot: "b", HPASyncPeriod: time.Minute}); err != nil {
		t.Fatal(err)
	}
	_, err = Open(c.dir)
	if !errors.Is(err, ErrDown) {
		t.Errorf("half a lab: %v", err)
	}
	wantError(t, err, "etcd does not run", "lab up")
	if err := os.WriteFile(c.path("run", "cluster.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Open(c.dir)
	wantError(t, err, "read state of the lab")
}

func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	all := c.Status(t.Context())
	if len(all) != len(c.components()) {
		t.Errorf("%d components", len(all))
	}
	for _, s := range all {
		if s.PID != 0 || s.Problem == nil || s.Problem.Error() != "not started" {
			t.Errorf("%+v", s)
		}
	}
}

// TestLogsOfTheLastTwo keeps the logs of the cluster before, and no more.
func TestLogsOfTheLastTwo(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	for _, content := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(c.LogDir(), "log"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := c.rotateLogs(); err != nil {
			t.Fatal(err)
		}
		if old, err := os.ReadFile(c.path("logs.previous", "log")); err != nil || string(old) != content {
			t.Errorf("kept %q, %v", old, err)
		}
	}
	if left, err := os.ReadDir(c.LogDir()); err != nil || len(left) != 0 {
		t.Errorf("logs of a new cluster: %v, %v", left, err)
	}
}

func TestComponentsThatAreNone(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	wantError(t, c.Restart(t.Context(), "kubelett"), `"kubelett"`)
	wantError(t, c.Start(t.Context(), "kubelett"), `"kubelett"`)
	wantError(t, c.Kill("kubelett", 9), `"kubelett"`)
	wantError(t, c.Kill(Kubelet, 9), "kubelet", "does not run")
}
