package disk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/process"
)

// PeltonPackage is the program that runs; built with PlantedTag it has bugs in it, which are switched on by name.
const (
	PeltonPackage = "github.com/pelton-dev/pelton/cmd/pelton"
	PlantedTag    = "planted"
)

const (
	functionName = "disk"
	eventSubject = "events.disk"

	readyPatience = time.Minute
	endPatience   = time.Minute
	pollPause     = 20 * time.Millisecond
)

// machine is a place where `pelton up` runs, again and again. Only its state is on the disk that is hurt.
type machine struct {
	base   string // manifests, notes and output
	state  string
	pelton string
	self   string // the handler
	env    []string

	cmd  *exec.Cmd
	tag  string // in the environment of every process that comes from it
	done chan struct{}
	urls urls
}

// urls are what the tests need of the state file.
type urls struct {
	PID  int    `json:"pid"`
	NATS string `json:"natsURL"`
	HTTP string `json:"httpURL"`
}

// tagVariable marks the processes of one up.
const tagVariable = "PELTON_DISK_TAG"

func (m *machine) notes() string  { return filepath.Join(m.base, "notes") }
func (m *machine) output() string { return filepath.Join(m.base, "output") }

// writeManifest writes the function: each event one call, one retry, one dead letter, as its type says.
func (m *machine) writeManifest() error {
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind}
	fn.Metadata.Name = functionName
	fn.Spec = function.Spec{
		Triggers: []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{eventSubject}}}},
		Handler: function.Handler{
			Protocol: function.ProtocolStream, Command: []string{m.self},
			Env: []function.EnvVar{{Name: notesVariable, Value: m.notes()}},
		},
		Retry: function.Retry{
			MaxAttempts: 5, MinBackoff: function.Duration(200 * time.Millisecond), MaxBackoff: function.Duration(time.Second),
		},
		Scale: function.Scale{MaxReplicas: 1},
	}
	data, err := json.MarshalIndent(fn, "", "  ") // JSON is YAML
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	dir := filepath.Join(m.base, "functions")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "function.yaml"), data, 0o600)
}

var errEnded = errors.New("pelton up ended")

// start starts `pelton up` and waits until it serves.
func (m *machine) start(ctx context.Context) error {
	out, err := os.OpenFile(m.output(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open output: %w", err)
	}
	defer func() { _ = out.Close() }()
	m.tag = process.NewRunID()
	m.cmd = exec.Command(m.pelton, "up", "-o", "json", "--port", "0", "--nats-port", "0", "--state-dir", m.state,
		filepath.Join(m.base, "functions"))
	m.cmd.Env = append(append(os.Environ(), tagVariable+"="+m.tag), m.env...)
	m.cmd.Stdout, m.cmd.Stderr = out, out
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		return fmt.Errorf("start pelton up: %w", err)
	}
	m.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // its state says it too
		close(done)
	}(m.cmd, m.done)
	if err := poll(ctx, readyPatience, "pelton up is ready", m.readURLs); err != nil {
		return fmt.Errorf("%w\n%s", err, m.tail())
	}
	return nil
}

var errOldState = errors.New("the state file is that of another process")

func (m *machine) readURLs(context.Context) error {
	select {
	case <-m.done:
		return stop{fmt.Errorf("%w: %v", errEnded, m.cmd.ProcessState)}
	default:
	}
	data, err := os.ReadFile(filepath.Join(m.state, "up.json"))
	if err != nil {
		return err
	}
	var u urls
	if err := json.Unmarshal(data, &u); err != nil {
		return err
	}
	if u.PID != m.cmd.Process.Pid {
		return errOldState
	}
	m.urls = u
	return nil
}

var errRuns = errors.New("it runs")

// freeze stops the process and waits until each of its threads has stopped: one that waits for the disk stops after that.
func (m *machine) freeze(ctx context.Context) error {
	if err := m.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop pelton up: %w", err)
	}
	return poll(ctx, endPatience, "pelton up is stopped", func(context.Context) error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", m.cmd.Process.Pid))
		if err != nil {
			return err
		}
		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			if err != nil {
				return err
			}
			// The state follows the name, which stands in parentheses and may hold any.
			if rest := text[bytes.LastIndexByte(text, ')')+1:]; !bytes.HasPrefix(rest, []byte(" T ")) {
				return errRuns
			}
		}
		return nil
	})
}

// kill ends `pelton up` as a power cut does, and waits until nothing is left of it.
func (m *machine) kill(ctx context.Context) error {
	_ = m.cmd.Process.Kill()
	<-m.done
	return m.awaitGone(ctx)
}

// stop ends `pelton up` as its user does.
func (m *machine) stop(ctx context.Context) error {
	if m.cmd == nil {
		return nil
	}
	_ = m.cmd.Process.Signal(os.Interrupt)
	select {
	case <-m.done:
		return m.awaitGone(ctx)
	case <-time.After(endPatience):
		_ = m.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines are in its output then
		<-m.done
		return errors.Join(fmt.Errorf("stop pelton up: %w after %v", errRuns, endPatience), m.kill(ctx))
	}
}

// awaitGone waits for the handlers, too.
func (m *machine) awaitGone(ctx context.Context) error {
	return poll(ctx, endPatience, "no process is left", func(context.Context) error {
		mark := []byte("\x00" + tagVariable + "=" + m.tag + "\x00")
		files, err := filepath.Glob("/proc/[0-9]*/environ")
		if err != nil {
			return err
		}
		for _, file := range files {
			env, err := os.ReadFile(file)
			if err == nil && bytes.Contains(append([]byte{0}, env...), mark) {
				return fmt.Errorf("%w: %s", errRuns, file)
			}
		}
		return nil
	})
}

// wrote counts the lines of one type that `pelton up` wrote.
func (m *machine) wrote(kind string) int {
	data, _ := os.ReadFile(m.output())
	return bytes.Count(data, []byte(`"type":"`+kind+`"`))
}

// tail is the last of what `pelton up` wrote.
func (m *machine) tail() string {
	data, _ := os.ReadFile(m.output())
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for i, line := range lines {
		lines[i] = line[:min(len(line), 400)]
	}
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// stop is an error that waiting does not mend.
type stop struct{ error }

func (s stop) Unwrap() error { return s.error }

// poll tries until it works, the patience is over, or ctx ends. The last error comes back.
func poll(ctx context.Context, patience time.Duration, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := try(ctx)
		var final stop
		if err == nil || errors.As(err, &final) {
			return err
		}
		if !sleep(ctx, pollPause) {
			return fmt.Errorf("%s: not within %v: %w", what, patience, err)
		}
	}
}
