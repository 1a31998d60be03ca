package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pelton-dev/pelton/internal/lab/proc"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func keeper(t *testing.T) Keeper {
	t.Helper()
	dir := t.TempDir()
	k := Keeper{Records: filepath.Join(dir, "records"), Logs: filepath.Join(dir, "logs"), Mark: "DAEMON_TEST=" + dir}
	for _, dir := range []string{k.Records, k.Logs} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, p := range k.Marked() {
			t.Errorf("left running: %+v", p)
			_ = KillProcess(p)
		}
	})
	return k
}

func shell(script string) Spec {
	return Spec{Name: "sh", Command: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: "/"}
}

// start starts a shell script and waits until it has said that it is ready.
func start(t *testing.T, k Keeper, script string) Record {
	t.Helper()
	rec, err := k.Start(shell(script))
	if err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		if log, _ := os.ReadFile(k.LogPath("sh")); !strings.Contains(string(log), "\nready\n") {
			return fmt.Errorf("log: %s", log)
		}
		return nil
	})
	return rec
}

const obedient, stubborn = "echo ready; exec sleep 600", "trap '' TERM; echo ready; while :; do sleep 0.1; done"

// TestStartFindStop lives through the life of a program.
func TestStartFindStop(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	if _, alive, err := k.Find("sh"); alive || err != nil {
		t.Fatalf("found what was never started: %v, %v", alive, err)
	}
	rec := start(t, k, obedient)
	found, alive, err := k.Find("sh")
	if err != nil || !alive || found.PID != rec.PID || !found.Runs(shell(obedient)) || found.Runs(shell(stubborn)) {
		t.Errorf("found %+v, %v, %v", found, alive, err)
	}
	if session, err := unix.Getsid(rec.PID); session != rec.PID {
		t.Errorf("session is %d, want one of its own: %d, %v", session, rec.PID, err)
	}
	if _, err := k.Start(shell(obedient)); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("started twice: %v", err)
	}
	if marked := k.Marked(); len(marked) != 1 || marked[0].PID != rec.PID {
		t.Errorf("marked: %+v", marked)
	}
	if was, err := k.Stop(t.Context(), "sh", time.Minute); !was || err != nil {
		t.Errorf("stop: %v, %v", was, err)
	}
	if was, err := k.Stop(t.Context(), "sh", time.Minute); was || err != nil {
		t.Errorf("stop again: %v, %v", was, err)
	}
	if err := k.Signal("sh", syscall.SIGTERM); !errors.Is(err, ErrNotRunning) {
		t.Errorf("signal of what is gone: %v", err)
	}
}

// TestStopKillsTheStubborn ends a program that ignores SIGTERM.
func TestStopKillsTheStubborn(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	rec := start(t, k, stubborn)
	if was, err := k.Stop(t.Context(), "sh", 50*time.Millisecond); !was || err != nil {
		t.Errorf("stop: %v, %v", was, err)
	}
	if rec.Alive() {
		t.Error("it is still alive")
	}
	waittest.Eventually(t, func() error { // its last sleep ends by itself
		if left := k.Marked(); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
}

// TestAnotherProcessIsNeverTouched gives the pid of a record to a process that is not the recorded one.
func TestAnotherProcessIsNeverTouched(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Record){
		"a reused pid": func(r *Record) { r.Started-- },
		"a reboot":     func(r *Record) { r.Boot = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := keeper(t)
			mine := start(t, k, obedient)
			stale := mine
			change(&stale)
			if err := k.write(stale); err != nil {
				t.Fatal(err)
			}
			if _, alive, err := k.Find("sh"); alive || err != nil {
				t.Errorf("find: %v, %v", alive, err)
			}
			if err := k.Signal("sh", syscall.SIGKILL); !errors.Is(err, ErrNotRunning) {
				t.Errorf("signal: %v", err)
			}
			if err := signal(stale, syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("bare signal: %v", err)
			}
			if was, err := k.Stop(t.Context(), "sh", time.Minute); was || err != nil {
				t.Errorf("stop: %v, %v", was, err)
			}
			if err := KillProcess(proc.Process{PID: mine.PID, Started: mine.Started - 1}); err != nil {
				t.Errorf("kill of a process that is gone: %v", err)
			}
			if !mine.Alive() {
				t.Fatal("the other process was killed")
			}
			if err := KillProcess(proc.Process{PID: mine.PID, Started: mine.Started}); err != nil {
				t.Errorf("kill: %v", err)
			}
			waittest.Eventually(t, func() error {
				if mine.Alive() {
					return errors.New("alive")
				}
				return nil
			})
		})
	}
}

// TestStartFails looks for a record of what was never started.
func TestStartFails(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	spec := shell("exit 0")
	spec.Command[0] = filepath.Join(k.Logs, "gone")
	if _, err := k.Start(spec); err == nil || !strings.Contains(err.Error(), "start sh: ") {
		t.Errorf("no program: %v", err)
	}
	if err := os.Remove(k.Records); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Start(shell(obedient)); err == nil {
		t.Error("no record could be written, and no error")
	}
	waittest.Eventually(t, func() error {
		if left := k.Marked(); len(left) > 0 {
			return fmt.Errorf("not recorded and alive: %v", left)
		}
		return nil
	})
}

// TestDamagedRecord is an error that names the program; nothing is started or stopped by guessing.
func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	k := keeper(t)
	if err := os.WriteFile(k.recordPath("sh"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Start(shell(obedient)); err == nil || !strings.Contains(err.Error(), "record of sh") {
		t.Errorf("start: %v", err)
	}
	if _, err := k.Stop(t.Context(), "sh", 0); err == nil {
		t.Error("stop: no error")
	}
	if _, err := os.Stat(k.recordPath("sh")); err != nil {
		t.Errorf("the record is gone: %v", err)
	}
	text, err := json.Marshal(Record{Name: "sh", PID: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.recordPath("sh"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if was, err := k.Stop(t.Context(), "sh", 0); was || err != nil {
		t.Errorf("a record of nobody: %v, %v", was, err)
	}
}
