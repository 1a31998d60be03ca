package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// machine is a running `pelton up`, with a connection to its server.
type machine struct {
	program  string
	stateDir string
	http     string // where it takes requests
	process  *child
	nc       *nats.Conn
	js       jetstream.JetStream
}

// build compiles a package of ours into a file.
func (r *rig) build(ctx context.Context, pkg, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", file, "github.com/pelton-dev/pelton/"+pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return nil
}

// up starts the one-machine mode on a folder of functions, and waits until all of them are at zero.
func (r *rig) up(ctx context.Context, program, folder string) (_ *machine, err error) {
	m := &machine{program: program, stateDir: filepath.Join(folder, "state")}
	m.process, err = r.start(exec.Command(program, "up", folder, "--port", "0", "--nats-port", "0", "--state-dir",
		m.stateDir, "-o", "json"))
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, m.process.out) }() // nobody reads what it shows
	defer func() {
		if err != nil {
			m.stop()
		}
	}()
	var state struct{ NATSURL, HTTPURL string }
	err = await(ctx, "start of pelton up", time.Minute, func() (bool, error) {
		data, err := os.ReadFile(filepath.Join(m.stateDir, "up.json"))
		if errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		return err == nil, json.Unmarshal(data, &state)
	})
	if err != nil {
		return nil, err
	}
	m.http = state.HTTPURL
	if m.nc, err = nats.Connect(state.NATSURL); err != nil {
		return nil, err
	}
	if m.js, err = jetstream.New(m.nc); err != nil {
		return nil, err
	}
	return m, m.atZero(ctx)
}

func (m *machine) stop() {
	if m.nc != nil {
		m.nc.Close()
	}
	m.process.stop()
}

// atZero waits until no function has a replica.
func (m *machine) atZero(ctx context.Context) error {
	return await(ctx, "functions at zero", 2*time.Minute, func() (bool, error) {
		time.Sleep(50 * time.Millisecond) // asking costs processor time too
		out, err := exec.CommandContext(ctx, m.program, "functions", "list", "-o", "json", "--state-dir", m.stateDir).Output()
		if err != nil {
			return false, err
		}
		var list struct {
			Items []struct {
				Name   string
				Status struct{ Phase, SetupError string }
			}
		}
		if err := json.Unmarshal(out, &list); err != nil {
			return false, err
		}
		for _, f := range list.Items {
			if f.Status.Phase != "idle" {
				return false, fmt.Errorf("function %s is %s %s", f.Name, f.Status.Phase, f.Status.SetupError)
			}
		}
		return len(list.Items) > 0, nil
	})
}

// writeManifest writes a function's manifest; JSON is YAML too.
func writeManifest(dir string, fn *function.Function) error {
	data, err := json.MarshalIndent(fn, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "function.yaml"), data, 0o644)
}

// allDone makes sure that no event has failed: those that did are kept.
func (m *machine) allDone(ctx context.Context) error {
	for _, name := range []string{stream.DeadStream, stream.WorkStream} {
		s, err := m.js.Stream(ctx, name)
		if err != nil {
			return err
		}
		if n := s.CachedInfo().State.Msgs; n > 0 {
			return fmt.Errorf("%d events have failed: they are in stream %s", n, name)
		}
	}
	return nil
}
