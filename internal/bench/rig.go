package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// rig is what every part stands on: a NATS server process, a connection to it, and the built sidecar.
type rig struct {
	opts    options
	dir     string
	self    string
	sidecar string
	server  *child
	url     string
	nc      *nats.Conn
	js      jetstream.JetStream
	number  int // of functions that were used once
}

func newRig(ctx context.Context, opts options) (_ *rig, err error) {
	r := &rig{opts: opts}
	if r.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp("", "pelton-bench"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	r.sidecar = filepath.Join(r.dir, "pelton-sidecar")
	build := exec.CommandContext(ctx, "go", append([]string{"build"}, strings.Fields(os.Getenv("BENCH_BUILD_FLAGS"))...)...)
	build.Args = append(build.Args, "-o", r.sidecar, "github.com/pelton-dev/pelton/cmd/pelton-sidecar")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is in its image
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the sidecar: %w: %s", err, out)
	}
	return r, r.serve(ctx, "nats")
}

// serve starts a server whose store has a name, and connects.
func (r *rig) serve(ctx context.Context, name string, env ...string) (err error) {
	if r.server, err = r.role("nats", append(env, "STORE="+filepath.Join(r.dir, name))...); err != nil {
		return err
	}
	if r.url, err = r.server.line(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	if r.nc, err = nats.Connect(r.url, nats.ReconnectBufSize(-1)); err != nil {
		return err
	}
	if r.js, err = jetstream.New(r.nc); err != nil {
		return err
	}
	_, err = stream.Ensure(ctx, r.js, stream.Config{})
	return err
}

// another is the same rig with a server of its own, which stop ends.
func (r *rig) another(ctx context.Context, name string, env ...string) (_ *rig, stop func(), err error) {
	o := *r
	o.server, o.nc = nil, nil
	if err := o.serve(ctx, name, env...); err != nil {
		o.hangUp()
		return nil, nil, err
	}
	return &o, o.hangUp, nil
}

func (r *rig) hangUp() {
	if r.nc != nil {
		r.nc.Close()
	}
	if r.server != nil {
		r.server.stop()
	}
}

func (r *rig) close() {
	r.hangUp()
	_ = os.RemoveAll(r.dir)
}

// socket is a fresh path for a unix socket.
func (r *rig) socket(name string) string {
	path := filepath.Join(r.dir, name+".sock")
	_ = os.Remove(path)
	return path
}

// child is a process of the bench.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// role starts this binary again as one of its roles.
func (r *rig) role(name string, env ...string) (*child, error) {
	return r.start(exec.Command(r.self), append(env, roleVariable+"="+name, "NATS_URL="+r.url)...)
}

func (r *rig) start(cmd *exec.Cmd, env ...string) (*child, error) {
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{cmd, in, bufio.NewReader(out)}, nil
}

func (c *child) line() (string, error) {
	s, err := c.out.ReadString('\n')
	return strings.TrimSpace(s), err
}

// stop asks the process to end and waits; it is killed if it takes long.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.in.Close()
	kill := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	_ = c.cmd.Wait()
}

// await polls until done, and gives up when nothing has been done for long.
func await(ctx context.Context, what string, limit time.Duration, done func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	for {
		ok, err := done()
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%s: not within %v", what, limit), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// deleteConsumers removes what a function that is measured no more has on the server.
func (r *rig) deleteConsumers(fn *function.Function) {
	for _, c := range stream.ConsumersOf(fn) {
		_ = r.js.DeleteConsumer(context.Background(), c.Stream, c.Name) // it is gone with the server at the latest
	}
}
