package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// result is what a command came to.
type result struct {
	exit           int
	stdout, stderr string
}

// command runs a pelton command from a folder of its own, so that it finds only the state it is pointed to.
func (m *machine) command(args ...string) result {
	m.t.Helper()
	cmd := exec.Command(pelton, args...)
	cmd.Dir = filepath.Dir(m.state)
	cmd.Env = os.Environ()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatalf("run pelton %v: %v", args, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ask runs a command under -o json that must work, and decodes its answer.
func (m *machine) ask(answer any, args ...string) {
	m.t.Helper()
	r := m.command(append(args, "-o", "json", "--state-dir", m.state)...)
	if r.exit != 0 {
		m.t.Fatalf("pelton %s: exit %d\n%s%s", strings.Join(args, " "), r.exit, r.stdout, r.stderr)
	}
	if err := json.Unmarshal([]byte(r.stdout), answer); err != nil {
		m.t.Fatalf("pelton %s: %v in %s", strings.Join(args, " "), err, r.stdout)
	}
}

// status is what `functions describe` says of a function's state.
type status struct {
	Phase    string
	Wanted   int
	Ready    int
	Starting int
	Draining int
	Due      int
	Restarts int
	Backoff  string
	Replicas []struct {
		PID int
	}
}

func (s status) zero() bool { return s.Wanted+s.Ready+s.Starting+s.Draining+len(s.Replicas) == 0 }

func (m *machine) status(function string) status {
	m.t.Helper()
	var view struct{ Status status }
	m.ask(&view, "functions", "describe", function)
	return view.Status
}

// diagnosis is what `why` says.
type diagnosis struct {
	Answer string
	Checks []struct {
		Name, State, Detail string
		Lines               []string
	}
}

// detail returns a line of the diagnosis as "state: detail".
func (d diagnosis) detail(name string) string {
	for _, c := range d.Checks {
		if c.Name == name {
			return c.State + ": " + c.Detail
		}
	}
	return ""
}

func (m *machine) why(function string) diagnosis {
	m.t.Helper()
	var d diagnosis
	m.ask(&d, "why", function)
	return d
}
