package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/program"
	"github.com/pelton-dev/pelton/internal/sidecar"
)

// settings is everything the environment says.
type settings struct {
	function  *function.Function
	nats      natsclient.Config
	replica   string
	network   string // of the handler: tcp or unix
	address   string
	health    string // listen address of probes and metrics; "" is none
	drain     time.Duration
	provision bool // make the streams and consumers
	tellBusy  bool // for the controller, which has idle pods taken away before busy ones
	level     zapcore.Level
}

// readSettings reads the environment. All problems come back at once.
func readSettings(getenv func(string) string) (settings, error) {
	env := program.NewEnv(getenv)
	s := settings{
		nats: natsclient.Config{
			URL: env.Get("NATS_URL", "nats://127.0.0.1:4222"), Creds: env.Path("NATS_CREDS"),
			CA: env.Path("NATS_CA"),
		},
		replica: getenv("PELTON_REPLICA"), health: env.Address("PELTON_HEALTH_ADDRESS", ":8081"),
		drain:     env.Duration("PELTON_DRAIN_TIMEOUT", sidecar.DefaultDrainTimeout),
		provision: env.Bool("PELTON_PROVISION", true), tellBusy: env.Bool("PELTON_TELL_BUSY", false), level: env.Level("PELTON_LOG_LEVEL"),
	}
	if s.replica == "" {
		s.replica, _ = os.Hostname()
	}
	var err error
	s.function, err = readManifest(getenv)
	env.Note(err)
	if s.function != nil {
		env.Note(s.readHandler(getenv))
		s.nats.Name = "pelton-sidecar " + s.function.Key().String() + " " + s.replica
	}
	return s, env.Err()
}

// readManifest takes the manifest from PELTON_MANIFEST, as YAML or JSON, or from the file PELTON_MANIFEST_FILE.
func readManifest(getenv func(string) string) (*function.Function, error) {
	text, name := getenv("PELTON_MANIFEST"), "PELTON_MANIFEST"
	if path := getenv("PELTON_MANIFEST_FILE"); text == "" && path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("PELTON_MANIFEST_FILE: %w", err)
		}
		text, name = string(b), path
	}
	if text == "" {
		return nil, errors.New("PELTON_MANIFEST: not set (give the Function manifest, as YAML or JSON, " +
			"or its path in PELTON_MANIFEST_FILE)")
	}
	fns, problems := function.Parse([]byte(text), name)
	if len(problems) > 0 {
		return nil, &function.Invalid{Problems: problems}
	}
	if len(fns) != 1 {
		return nil, fmt.Errorf("%s: holds %d functions, a sidecar serves exactly one", name, len(fns))
	}
	return fns[0], nil
}

// readHandler finds out where the handler is: a unix socket shared by both containers, or the port of the manifest.
func (s *settings) readHandler(getenv func(string) string) error {
	h := s.function.Spec.Handler
	socket := getenv("PELTON_SOCKET")
	switch {
	case h.Protocol == function.ProtocolExec:
		return nil
	case h.Protocol == function.ProtocolStream || h.Listen == function.ListenUnix:
		if socket == "" {
			return fmt.Errorf("PELTON_SOCKET: not set, and protocol %s with listen %q needs it "+
				"(a path that both containers share)", h.Protocol, h.Listen)
		}
		s.network, s.address = "unix", socket
	default:
		port := strconv.Itoa(max(h.Port, 1))
		s.network, s.address = "tcp", cmp.Or(getenv("PELTON_HANDLER_ADDRESS"), net.JoinHostPort("127.0.0.1", port))
		if h.Port == 0 && getenv("PELTON_HANDLER_ADDRESS") == "" {
			return errors.New("spec.handler.port: not set, and no PELTON_HANDLER_ADDRESS (host:port where the handler listens)")
		}
	}
	return nil
}
