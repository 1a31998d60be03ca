package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSettings reads one environment after another.
func TestSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		env  map[string]string
		want []string // in the error; none is a good environment
	}{
		"nothing":            {nil, nil},
		"tokens":             {map[string]string{"PELTON_HTTP_ADDRESS": ":8080", "PELTON_TOKENS": dir}, nil},
		"access":             {map[string]string{"PELTON_HTTP_ADDRESS": ":8080", "PELTON_ACCESS": dir}, nil},
		"insecure":           {map[string]string{"PELTON_HTTP_ADDRESS": ":8080", "PELTON_INSECURE_NO_AUTH": "true", "PELTON_HOSTS": "*"}, nil},
		"insecure, no hosts": {map[string]string{"PELTON_HTTP_ADDRESS": ":8080", "PELTON_INSECURE_NO_AUTH": "true"}, []string{"PELTON_HOSTS: not set"}},
		"insecure, tokens": {
			map[string]string{"PELTON_TOKENS": dir, "PELTON_INSECURE_NO_AUTH": "true"},
			[]string{"PELTON_INSECURE_NO_AUTH: true, and PELTON_TOKENS is set"},
		},
		"everywhere": {map[string]string{"PELTON_HTTP_ADDRESS": ":8080"}, []string{"PELTON_INSECURE_NO_AUTH=true if that is meant"}},
		"no port":    {map[string]string{"PELTON_HTTP_ADDRESS": "8080"}, []string{"write for example :8080"}},
		"all at once": {map[string]string{
			"NATS_CREDS": filepath.Join(dir, "a"), "NATS_CA": filepath.Join(dir, "b"), "PELTON_TLS_DIR": filepath.Join(dir, "c"),
			"PELTON_TOKENS": filepath.Join(dir, "d"), "PELTON_ACCESS": filepath.Join(dir, "e"), "PELTON_INSECURE_NO_AUTH": "perhaps",
			"PELTON_MAX_CONNECTIONS": "0", "PELTON_STOP_DELAY": "soon", "PELTON_DRAIN_TIMEOUT": "0s", "PELTON_LOG_LEVEL": "loud",
			"PELTON_TRUST_FORWARDED": "some",
			"NATS_KEY":               dir,
		}, []string{
			"NATS_CREDS: ", "NATS_CA: ", "PELTON_TLS_DIR: ", "PELTON_TOKENS: ", "PELTON_ACCESS: ", "PELTON_INSECURE_NO_AUTH: ", "PELTON_TRUST_FORWARDED: ",
			"PELTON_MAX_CONNECTIONS: ", "PELTON_STOP_DELAY: ", "PELTON_DRAIN_TIMEOUT: ", "PELTON_LOG_LEVEL: ", "NATS_CERT, NATS_KEY",
		}},
	} {
		_, err := readSettings(func(name string) string { return c.env[name] })
		if len(c.want) == 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range c.want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: error %v, want %q in it", name, err, part)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"PELTON_HOSTS": " a.example , b.example,", "PELTON_TRUST_FORWARDED": "true"}
	s, err := readSettings(func(name string) string { return vars[name] })
	if err != nil || s.address != "127.0.0.1:8080" || s.health != ":8081" || s.maxConns != 4096 || s.delay != 5*time.Second ||
		s.drain != 10*time.Second || s.insecure || !s.trustForwarded || s.tlsDir != "" || !slices.Equal(s.hosts, []string{"a.example", "b.example"}) {
		t.Errorf("defaults: %+v, %v", s, err)
	}
}
