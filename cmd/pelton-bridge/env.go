package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zapcore"

	"github.com/pelton-dev/pelton/internal/bridge"
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/program"
)

// settings is everything the environment says.
type settings struct {
	nats           natsclient.Config
	address        string // of HTTP
	health         string // listen address of probes and metrics; "" is none
	tokens, access string // paths; "" is none
	insecure       bool   // nobody is asked, and that is meant, also beyond loopback
	tlsDir         string // "" is plain HTTP
	webhooks       string // folder with their secrets
	hosts, origins []string
	trustForwarded bool // a proxy in front says who asks
	maxConns       uint32
	delay, drain   time.Duration
	keep           time.Duration // of results
	level          zapcore.Level
}

// readSettings reads the environment. All problems come back at once.
func readSettings(getenv func(string) string) (settings, error) {
	env := program.NewEnv(getenv)
	s := settings{
		nats: natsclient.Config{
			URL: env.Get("NATS_URL", "nats://127.0.0.1:4222"), Name: "pelton-bridge",
			Creds: env.Path("NATS_CREDS"), CA: env.Path("NATS_CA"),
		},
		address: env.Get("PELTON_HTTP_ADDRESS", "127.0.0.1:8080"), health: env.Address("PELTON_HEALTH_ADDRESS", ":8081"),
		tokens: env.Path("PELTON_TOKENS"), access: env.Path("PELTON_ACCESS"), insecure: env.Bool("PELTON_INSECURE_NO_AUTH", false),
		webhooks: env.Get("PELTON_WEBHOOK_SECRETS", "/etc/pelton/webhooks"), tlsDir: env.Path("PELTON_TLS_DIR"),
		hosts: split(getenv("PELTON_HOSTS")), origins: split(getenv("PELTON_ORIGINS")), trustForwarded: env.Bool("PELTON_TRUST_FORWARDED", false),
		maxConns: env.Count("PELTON_MAX_CONNECTIONS", 4096), delay: env.Duration("PELTON_STOP_DELAY", 5*time.Second),
		drain: env.Duration("PELTON_DRAIN_TIMEOUT", 10*time.Second), keep: env.Duration("PELTON_KEEP_RESULTS", bridge.DefaultKeepResults),
		level: env.Level("PELTON_LOG_LEVEL"),
	}
	if cert, key := env.KeyPair("NATS_CERT", "NATS_KEY"); cert != "" {
		s.nats.More = []nats.Option{nats.ClientCert(cert, key)}
	}
	env.Note(s.checkExposure())
	return s, env.Err()
}

// checkExposure makes sure that who lets in everybody means it. That the files ask anybody is for the bridge to see.
func (s settings) checkExposure() error {
	host, _, err := net.SplitHostPort(s.address)
	switch {
	case err != nil:
		return fmt.Errorf("PELTON_HTTP_ADDRESS: %q is no address to listen at, write for example :8080", s.address)
	case s.insecure && s.tokens != "":
		return errors.New("PELTON_INSECURE_NO_AUTH: true, and PELTON_TOKENS is set: leave one of them out")
	case s.tokens == "" && s.access == "" && !s.insecure && !program.IsLoopback(host):
		return fmt.Errorf("PELTON_TOKENS: not set, nor is PELTON_ACCESS, and PELTON_HTTP_ADDRESS %q is beyond loopback: anyone who "+
			"reaches the port could run any function (set one of them, or PELTON_INSECURE_NO_AUTH=true if that is meant)", s.address)
	case s.insecure && len(s.hosts) == 0 && !program.IsLoopback(host):
		return errors.New("PELTON_HOSTS: not set, and nobody is asked who he is: a web page could send events through its readers' " +
			"browsers (set the names that callers use, such as bridge.example.com, or * if that is meant)")
	}
	return nil
}

// split reads a list that commas separate.
func split(list string) (words []string) {
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}
