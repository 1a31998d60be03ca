package main

import (
	"path/filepath"
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
		"nothing":             {nil, nil},
		"TLS":                 {map[string]string{"PELTON_SCALER_ADDRESS": ":9090", "PELTON_TLS_DIR": dir}, nil},
		"insecure":            {map[string]string{"PELTON_SCALER_ADDRESS": ":9090", "PELTON_INSECURE": "true"}, nil},
		"loopback by name":    {map[string]string{"PELTON_SCALER_ADDRESS": "localhost:9090"}, nil},
		"loopback of IPv6":    {map[string]string{"PELTON_SCALER_ADDRESS": "[::1]:9090"}, nil},
		"everywhere":          {map[string]string{"PELTON_SCALER_ADDRESS": ":9090"}, []string{"anyone who reaches the port"}},
		"everywhere by IPv4":  {map[string]string{"PELTON_SCALER_ADDRESS": "0.0.0.0:9090"}, []string{"PELTON_INSECURE=true"}},
		"an address of ours":  {map[string]string{"PELTON_SCALER_ADDRESS": "10.0.0.1:9090"}, []string{"PELTON_TLS_DIR"}},
		"a name":              {map[string]string{"PELTON_SCALER_ADDRESS": "localhost.example:9090"}, []string{"beyond loopback"}},
		"TLS and insecure":    {map[string]string{"PELTON_TLS_DIR": dir, "PELTON_INSECURE": "1"}, []string{"leave one of them out"}},
		"no port":             {map[string]string{"PELTON_SCALER_ADDRESS": "9090"}, []string{"write for example :9090"}},
		"certificate, no key": {map[string]string{"NATS_CERT": dir}, []string{"NATS_CERT, NATS_KEY"}},
		"all at once": {map[string]string{
			"NATS_CREDS": filepath.Join(dir, "a"), "NATS_CA": filepath.Join(dir, "b"), "PELTON_TLS_DIR": filepath.Join(dir, "c"),
			"PELTON_INSECURE": "perhaps", "PELTON_MAX_STREAMS": "0", "PELTON_DRAIN_TIMEOUT": "soon", "PELTON_LOG_LEVEL": "loud",
			"PELTON_DECISIONS": "some", "PELTON_SCALER_ADDRESS": "nowhere",
		}, []string{
			"NATS_CREDS: ", "NATS_CA: ", "PELTON_TLS_DIR: ", "PELTON_INSECURE: ", "PELTON_MAX_STREAMS: ", "PELTON_DRAIN_TIMEOUT: ",
			"PELTON_LOG_LEVEL: ", "PELTON_DECISIONS: ", "PELTON_SCALER_ADDRESS: ",
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
	s, err := readSettings(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if s.address != "127.0.0.1:9090" || s.health != ":8081" || s.maxStreams != 65536 || s.drain != 10*time.Second ||
		s.nats.URL != "nats://127.0.0.1:4222" || s.decisions != loopback || s.insecure || s.tlsDir != "" {
		t.Errorf("defaults: %+v", s)
	}
	vars := map[string]string{
		"PELTON_HEALTH_ADDRESS": "off", "PELTON_MAX_STREAMS": "5", "PELTON_DRAIN_TIMEOUT": "3s", "PELTON_DECISIONS": "all",
		"NATS_URL": "nats://nats:4222",
	}
	s, err = readSettings(func(name string) string { return vars[name] })
	if err != nil || s.health != "" || s.maxStreams != 5 || s.drain != 3*time.Second || s.decisions != everyone ||
		s.nats.URL != "nats://nats:4222" {
		t.Errorf("settings: %+v, %v", s, err)
	}
}
