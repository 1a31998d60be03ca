package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

// transport is one way to call a handler, with its bare loop.
type transport struct {
	name    string
	handler string // role of Pelton's handler
	loop    string // role of the bare loop
	bare    string // role of the bare loop's handler
	lean    string // role of a loop that is leaner than the bare one; "" where there is none
	spec    function.Handler
}

func transports() []transport {
	return []transport{
		{"http tcp", "handler-http", "loop-http", "handler-http", "", function.Handler{Protocol: function.ProtocolCloudEvents}},
		{
			"http unix", "handler-http", "loop-raw", "handler-http", "",
			function.Handler{Protocol: function.ProtocolCloudEvents, Listen: function.ListenUnix},
		},
		{
			"stream", "handler-sdk", "loop-frames", "handler-frames", "loop-frames-lean",
			function.Handler{Protocol: function.ProtocolStream},
		},
	}
}

// newFunction is a function with everything on: a filter, retries, run records.
func newFunction(name string, t transport, subject string) *function.Function {
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind, Metadata: function.Metadata{Name: name}}
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{
		Subjects: []string{subject},
		Filter:   `event.type == "bench.made"`,
	}}}
	fn.Spec.Handler = t.spec
	fn.Spec.Handler.Command = []string{"true"}
	fn.Spec.Concurrency = concurrency
	fn.SetDefaults()
	return fn
}

// workers is a running pair of a handler and what feeds it.
type workers struct{ handler, feeder *child }

func (w workers) stop() {
	w.feeder.stop()
	w.handler.stop()
}

// startLoop runs the bare loop of t on a consumer.
func (r *rig) startLoop(t transport, consumer string) (workers, error) {
	env, ready, err := r.place(t)
	if err != nil {
		return workers{}, err
	}
	handler, err := r.role(t.bare, env...)
	if err != nil {
		return workers{}, err
	}
	if err := ready(); err != nil {
		return workers{}, err
	}
	feeder, err := r.role(t.loop, append(env, "CONSUMER="+consumer)...)
	return workers{handler, feeder}, err
}

// startSidecar runs the real sidecar for fn.
func (r *rig) startSidecar(t transport, fn *function.Function) (workers, error) {
	env, ready, err := r.place(t)
	if err != nil {
		return workers{}, err
	}
	manifest, err := json.Marshal(fn)
	if err != nil {
		return workers{}, err
	}
	sidecarEnv := append(env, "NATS_URL="+r.url, "PELTON_MANIFEST="+string(manifest), "PELTON_PROVISION=false",
		"PELTON_HEALTH_ADDRESS=127.0.0.1:0", "PELTON_LOG_LEVEL=warn", "PELTON_REPLICA=bench")
	var w workers
	if t.spec.Protocol == function.ProtocolStream { // the handler dials
		if w.feeder, err = r.start(exec.Command(r.sidecar), sidecarEnv...); err != nil {
			return w, err
		}
		if err := ready(); err != nil {
			return w, err
		}
		w.handler, err = r.role(t.handler, env...)
		return w, err
	}
	if w.handler, err = r.role(t.handler, env...); err != nil {
		return w, err
	}
	if err := ready(); err != nil {
		return w, err
	}
	w.feeder, err = r.start(exec.Command(r.sidecar), sidecarEnv...)
	return w, err
}

// place finds an address for a handler, and a way to wait until somebody listens there.
func (r *rig) place(t transport) (env []string, ready func() error, err error) {
	network, address := "unix", r.socket("bench"+strconv.FormatInt(time.Now().UnixNano(), 36))
	env = []string{"PELTON_SOCKET=" + address}
	if t.spec.Protocol == function.ProtocolCloudEvents && t.spec.Listen != function.ListenUnix {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		network, address = "tcp", l.Addr().String()
		_ = l.Close()
		_, port, _ := net.SplitHostPort(address)
		env = []string{"PORT=" + port, "PELTON_SOCKET=", "PELTON_HANDLER_ADDRESS=" + address}
	}
	ready = func() error {
		return await(context.Background(), "handler at "+address, waitStart, func() (bool, error) {
			if t.bare == "handler-frames" { // a connection would be taken for the loop
				return exec.Command("test", "-S", address).Run() == nil, nil
			}
			c, err := net.Dial(network, address)
			if err != nil {
				return false, fmt.Errorf("dial: %w", err)
			}
			return true, c.Close()
		})
	}
	return env, ready, nil
}
