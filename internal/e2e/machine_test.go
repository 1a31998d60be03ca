package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/process"
)

// machine is a place where `pelton up` runs, again and again: manifests, state and ledgers of one test.
type machine struct {
	t         *testing.T
	manifests string
	state     string
	ledgers   string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	base := t.TempDir()
	m := &machine{
		t: t, manifests: filepath.Join(base, "functions"), state: filepath.Join(base, "state"),
		ledgers: filepath.Join(base, "ledgers"),
	}
	for _, dir := range []string{m.manifests, m.ledgers} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// function writes a manifest: a handler that behaves by mode, on events.NAME and with short times unless change says other.
func (m *machine) function(name, mode string, change ...func(*function.Spec)) {
	m.t.Helper()
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind}
	fn.Metadata.Name = name
	s := &fn.Spec
	s.Triggers = on("events." + name)
	s.Handler.Command = []string{os.Args[0]}
	s.Handler.Env = []function.EnvVar{
		{Name: modeEnv, Value: mode},
		{Name: ledgerEnv, Value: m.ledgerPath(name)},
		{Name: "GORACE", Value: os.Getenv("GORACE") + " atexit_sleep_ms=0"},
	}
	switch mode {
	case modeFrames:
		s.Handler.Protocol = function.ProtocolStream
	case modeExec:
		s.Handler.Protocol = function.ProtocolExec
	}
	s.Timeout = function.Duration(time.Minute)
	s.Retry = function.Retry{
		MaxAttempts: 100, MinBackoff: function.Duration(100 * time.Millisecond),
		MaxBackoff: function.Duration(500 * time.Millisecond),
	}
	s.Scale = function.Scale{MaxReplicas: 1, Cooldown: function.Duration(500 * time.Millisecond)}
	for _, c := range change {
		c(s)
	}
	data, err := json.MarshalIndent(fn, "", "  ") // JSON is YAML
	if err != nil {
		m.t.Fatal(err)
	}
	dir := filepath.Join(m.manifests, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "function.yaml"), data, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func on(subjects ...string) []function.Trigger {
	return []function.Trigger{{Event: &function.EventTrigger{Subjects: subjects}}}
}

// up is one running `pelton up`.
type up struct {
	m      *machine
	tag    string // in the environment of every process that comes from it
	cmd    *exec.Cmd
	output string        // file with what it writes
	done   chan struct{} // closed when it has ended
	state  upState       // set by awaitReady
}

// upState is what the tests need of the state file.
type upState struct {
	PID     int    `json:"pid"`
	RunID   string `json:"runID"`
	NATSURL string `json:"natsURL"`
	HTTPURL string `json:"httpURL"`
}

// tagEnv marks the processes of one up, next to its own marker: a witness that Pelton does not know.
const tagEnv = "E2E_TAG"

// up starts `pelton up` and waits until it serves. It is stopped at the end of the test.
func (m *machine) up(args ...string) *up {
	m.t.Helper()
	u := m.launch(args...)
	u.awaitReady()
	return u
}

// launch starts `pelton up` on free ports and waits for nothing.
func (m *machine) launch(args ...string) *up {
	m.t.Helper()
	u := &up{m: m, tag: process.NewRunID(), done: make(chan struct{}), output: filepath.Join(m.t.TempDir(), "output")}
	out, err := os.Create(u.output)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	base := []string{"up", "-o", "json", "--port", "0", "--nats-port", "0", "--state-dir", m.state, m.manifests}
	u.cmd = exec.Command(pelton, append(base, args...)...)
	u.cmd.Env = append(os.Environ(), tagEnv+"="+u.tag)
	u.cmd.Stdout, u.cmd.Stderr = out, out
	if err := u.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		_ = u.cmd.Wait()
		close(u.done)
	}()
	m.t.Cleanup(u.finish)
	return u
}

// awaitReady waits for the state file of this process.
func (u *up) awaitReady() {
	u.m.t.Helper()
	await(u.m.t, "pelton up is ready", func() error {
		if u.over() {
			u.m.t.Fatalf("pelton up ended: %v\n%s", u.cmd.ProcessState, u.tail())
		}
		return u.readState()
	})
}

var errOldState = errors.New("the state file is that of another process")

func (u *up) readState() error {
	data, err := os.ReadFile(filepath.Join(u.m.state, "up.json"))
	if err != nil {
		return err
	}
	var s upState
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if s.PID != u.cmd.Process.Pid {
		return errOldState
	}
	u.state = s
	return nil
}

func (u *up) over() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

// stop sends a signal, waits for the end and returns the exit code.
func (u *up) stop(s os.Signal) int {
	u.m.t.Helper()
	if err := u.cmd.Process.Signal(s); err != nil {
		u.m.t.Fatalf("signal pelton up: %v", err)
	}
	await(u.m.t, "pelton up ends", func() error {
		if !u.over() {
			return errors.New("it runs")
		}
		return nil
	})
	return u.cmd.ProcessState.ExitCode()
}

// kill is SIGKILL.
func (u *up) kill() {
	_ = u.cmd.Process.Kill()
	<-u.done
}

// finish ends what a test left running and makes sure that nothing is left of it.
func (u *up) finish() {
	if !u.over() {
		_ = u.cmd.Process.Signal(os.Interrupt)
		select {
		case <-u.done:
		case <-time.After(patience):
			u.m.t.Errorf("pelton up does not end")
			u.kill()
		}
	}
	u.awaitNoProcess()
	if u.m.t.Failed() {
		u.m.t.Logf("the last that pelton up (pid %d) wrote:\n%s", u.cmd.Process.Pid, u.tail())
	}
}

// awaitNoProcess waits until no process is left that came from this up.
func (u *up) awaitNoProcess() {
	u.m.t.Helper()
	await(u.m.t, "no process is left", func() error {
		if left := processesWith(tagEnv + "=" + u.tag); len(left) > 0 {
			return fmt.Errorf("left of pid %d: %v", u.cmd.Process.Pid, left)
		}
		return nil
	})
}

func (u *up) tail() string {
	data, _ := os.ReadFile(u.output)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for i, line := range lines {
		lines[i] = line[:min(len(line), 400)]
	}
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// processesWith lists the live processes whose environment holds a variable, each with its command.
func processesWith(variable string) []string {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	var found []string
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00"+variable+"\x00")) {
			continue
		}
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		found = append(found, fmt.Sprintf("%s (%s)", filepath.Base(filepath.Dir(file)),
			strings.ReplaceAll(string(command), "\x00", " ")))
	}
	return found
}

// patience is for what must happen, on a machine that is busy with other things.
const patience = 2 * time.Minute

// await calls check until it returns nil, and fails the test with the last error when its patience is over.
func await(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
		<-tick.C
	}
}

// hasLine reports whether a part of the output has come.
func hasLine(output []byte, part string) bool { return bytes.Contains(output, []byte(part)) }
