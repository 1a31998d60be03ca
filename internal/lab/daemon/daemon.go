// Package daemon starts programs that outlive us and finds them again, without ever taking another process for one of them.
//
// A record on disk names a process by pid, start time and boot: a reused pid, or one of before a reboot, does not match. It
// knows nothing of what the programs are. What Start starts runs until Stop, in a session of its own.
package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pelton-dev/pelton/internal/lab/proc"
)

// Spec is what to run.
type Spec struct {
	// Name names the record and the log.
	Name    string
	Command []string
	// Env is the whole environment, except for the mark.
	Env []string
	Dir string
}

// Record is a started program.
type Record struct {
	Name    string    `json:"name"`
	PID     int       `json:"pid"`
	Started uint64    `json:"started"` // the kernel's clock ticks
	Boot    string    `json:"boot"`
	Since   time.Time `json:"since"`
	Command []string  `json:"command"`
	Env     []string  `json:"env"`
}

// Runs reports whether the program of the record runs with the command and environment of spec.
func (r Record) Runs(spec Spec) bool {
	return slices.Equal(r.Command, spec.Command) && slices.Equal(r.Env, spec.Env)
}

// Alive reports whether exactly the recorded process still runs.
func (r Record) Alive() bool {
	boot, err := proc.Boot()
	if err != nil || boot != r.Boot {
		return false
	}
	p, err := proc.Read(r.PID)
	return err == nil && !p.Dead && p.Started == r.Started
}

// Keeper keeps the records and logs of a set of programs.
type Keeper struct {
	// Records and Logs are directories that exist.
	Records, Logs string
	// Mark is a variable KEY=VALUE that every program is started with. It finds those of which no record was written.
	Mark string
}

// Start starts a program that is not running and records it. Its log is appended to.
func (k Keeper) Start(spec Spec) (Record, error) {
	rec, err := k.start(spec)
	if err != nil {
		return Record{}, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return rec, nil
}

func (k Keeper) start(spec Spec) (Record, error) {
	old, alive, err := k.Find(spec.Name)
	if alive {
		err = fmt.Errorf("it runs already (pid %d)", old.PID)
	}
	if err != nil {
		return Record{}, err
	}
	boot, err := proc.Boot()
	if err != nil {
		return Record{}, err
	}
	log, err := os.OpenFile(k.LogPath(spec.Name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return Record{}, err
	}
	defer log.Close() // the program has its own
	fmt.Fprintf(log, "--- %s %s\n", time.Now().Format(time.RFC3339), strings.Join(spec.Command, " "))
	cmd := exec.Command(spec.Command[0], spec.Command[1:]...)
	cmd.Env, cmd.Dir = append(slices.Clone(spec.Env), k.Mark), spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Record{}, err
	}
	// Until it is waited for, an ended process keeps its pid: what is read here is its own start time.
	p, err := proc.Read(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }() // takes note of its end, should it end while we live
	if err != nil {
		return Record{}, err
	}
	rec := Record{
		Name: spec.Name, PID: p.PID, Started: p.Started, Boot: boot, Since: time.Now(),
		Command: spec.Command, Env: spec.Env,
	}
	if err := k.write(rec); err != nil {
		_ = signal(rec, syscall.SIGKILL)
		return Record{}, err
	}
	return rec, nil
}

func (k Keeper) write(rec Record) error {
	text, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	path := k.recordPath(rec.Name)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Find returns the record of a program and whether it is alive. Without a record it is not.
func (k Keeper) Find(name string) (Record, bool, error) {
	text, err := os.ReadFile(k.recordPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, false, nil
	}
	var rec Record
	if err == nil {
		err = json.Unmarshal(text, &rec)
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("read record of %s: %w", name, err)
	}
	return rec, rec.Alive(), nil
}

// LogPath is where a program's output goes.
func (k Keeper) LogPath(name string) string { return filepath.Join(k.Logs, name+".log") }

func (k Keeper) recordPath(name string) string { return filepath.Join(k.Records, name+".json") }
