package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

// takes is what handlers do with events.
type takes string

const (
	takesAsAsked takes = ""    // what the event asks for
	takesAll     takes = "all" // they succeed, as after a repair
)

// drainTimeout is less than some calls take, so that a drain also has something to cut.
const drainTimeout = 700 * time.Millisecond

// startReplicas starts two replicas by hand, or the host that starts as many as are wanted.
func (w *world) startReplicas(ctx context.Context, what takes) error {
	if w.cfg.Host {
		return w.startHost(ctx, what)
	}
	for n := range replicas {
		if err := w.startReplica(ctx, n, what); err != nil {
			return err
		}
	}
	return nil
}

// startReplica starts a sidecar, which listens on its socket, and a handler, which dials it.
func (w *world) startReplica(ctx context.Context, n int, what takes) error {
	manifest, err := json.Marshal(w.fn)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	name, socket := sidecarName(n), w.path(fmt.Sprintf("%d.sock", n))
	if err := w.start(ctx, name, w.cfg.Programs.Sidecar, "NATS_URL="+w.url(name), "PELTON_MANIFEST="+string(manifest),
		"PELTON_SOCKET="+socket, "PELTON_REPLICA="+name, "PELTON_HEALTH_ADDRESS=off",
		"PELTON_DRAIN_TIMEOUT="+drainTimeout.String(), plantedVariable+"="+w.cfg.Planted, "PELTON_DIES="+w.cfg.Dies,
		"PELTON_PROVISION="+strconv.FormatBool(w.cfg.MaxDeliver == 0)); err != nil {
		return err
	}
	env := []string{"PELTON_SOCKET=" + socket}
	for _, v := range w.handlerEnv(handlerName(n), what) {
		env = append(env, v.Name+"="+v.Value)
	}
	return w.start(ctx, handlerName(n), w.cfg.Self, env...)
}

func (w *world) handlerEnv(name string, what takes) []function.EnvVar {
	var env []function.EnvVar
	for _, v := range [][2]string{
		{roleVariable, roleHandler},
		{ledgerVariable, w.ledgers()},
		{replicaVariable, name},
		{takesVariable, string(what)},
		{batchesVariable, w.cfg.batches()},
	} {
		env = append(env, function.EnvVar{Name: v[0], Value: v[1]})
	}
	return env
}

// startHost starts `pelton up` with the function, and the world's server.
func (w *world) startHost(ctx context.Context, what takes) error {
	fn := *w.fn
	fn.Spec.Handler.Command = []string{w.cfg.Self}
	fn.Spec.Handler.Env = w.handlerEnv(hostName, what)
	manifest, err := json.Marshal(&fn)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	path := w.path("function.yaml")
	if err := os.WriteFile(path, manifest, 0o600); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return w.startArgs(ctx, hostName, w.cfg.Programs.Pelton, []string{
		"up", "--nats", w.url(hostName), "--state-dir", w.path("state"), "--port", "0", "--watch=false", "-o", "json", path,
	}, plantedVariable+"="+w.cfg.Planted)
}

// startBridge starts the HTTP entry, and waits until it listens.
func (w *world) startBridge(ctx context.Context) error {
	if !w.cfg.kind().bridge {
		return nil
	}
	if err := w.start(ctx, bridgeName, w.cfg.Programs.Bridge, "NATS_URL="+w.url(bridgeName), "PELTON_ADDRESS="+w.httpAddress(),
		plantedVariable+"="+w.cfg.Planted); err != nil {
		return err
	}
	return poll(ctx, serverPatience, "reach the bridge", func(ctx context.Context) error {
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, "tcp", w.httpAddress())
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

func (w *world) httpAddress() string { return net.JoinHostPort(loopback, strconv.Itoa(w.httpPort)) }

// stopReplicas ends sidecars and handlers, or the host with its own.
func (w *world) stopReplicas() {
	for _, end := range w.replicas {
		end()
	}
	w.replicas = nil
}
