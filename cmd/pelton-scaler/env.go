package main

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zapcore"

	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/program"
	"github.com/pelton-dev/pelton/internal/rpcserver"
)

// settings is everything the environment says.
type settings struct {
	nats       natsclient.Config
	address    string // of gRPC
	health     string // listen address of probes, metrics and decisions; "" is none
	tlsDir     string // "" is plaintext
	insecure   bool   // plaintext is meant, also beyond loopback
	decisions  audience
	maxStreams uint32
	drain      time.Duration
	level      zapcore.Level
}

// readSettings reads the environment. All problems come back at once.
func readSettings(getenv func(string) string) (settings, error) {
	env := program.NewEnv(getenv)
	s := settings{
		nats: natsclient.Config{
			URL: env.Get("NATS_URL", "nats://127.0.0.1:4222"), Name: "pelton-scaler",
			Creds: env.Path("NATS_CREDS"), CA: env.Path("NATS_CA"),
		},
		address: env.Get("PELTON_SCALER_ADDRESS", "127.0.0.1:9090"), health: env.Address("PELTON_HEALTH_ADDRESS", ":8081"),
		tlsDir: env.Path("PELTON_TLS_DIR"), insecure: env.Bool("PELTON_INSECURE", false),
		maxStreams: env.Count("PELTON_MAX_STREAMS", rpcserver.DefaultMaxStreams),
		drain:      env.Duration("PELTON_DRAIN_TIMEOUT", rpcserver.DefaultStopTimeout), level: env.Level("PELTON_LOG_LEVEL"),
	}
	if cert, key := env.KeyPair("NATS_CERT", "NATS_KEY"); cert != "" {
		s.nats.More = []nats.Option{nats.ClientCert(cert, key)}
	}
	var err error
	s.decisions, err = readAudience(env.Get("PELTON_DECISIONS", string(loopback)))
	env.Note(err)
	env.Note(s.checkExposure())
	return s, env.Err()
}

// checkExposure makes sure that who serves everybody means it.
func (s settings) checkExposure() error {
	host, _, err := net.SplitHostPort(s.address)
	switch {
	case err != nil:
		return fmt.Errorf("PELTON_SCALER_ADDRESS: %q is no address to listen at, write for example :9090", s.address)
	case s.tlsDir != "" && s.insecure:
		return errors.New("PELTON_INSECURE: true, and PELTON_TLS_DIR is set: leave one of them out")
	case s.tlsDir == "" && !s.insecure && !program.IsLoopback(host):
		return fmt.Errorf("PELTON_TLS_DIR: not set, and PELTON_SCALER_ADDRESS %q is beyond loopback: without TLS, anyone who "+
			"reaches the port can read the depth of any queue (set PELTON_TLS_DIR, or PELTON_INSECURE=true if that is meant)",
			s.address)
	}
	return nil
}
