package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/natsauth"
)

// TestAccountKey reads a signing key as a person wrote it to a file, and names what is wrong with the settings of it.
func TestAccountKey(t *testing.T) {
	t.Parallel()
	o, err := natsauth.NewOperator("test", "a")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	signing := write("signing", append(o.Accounts[0].Signing, '\n'))
	env := map[string]string{
		"PELTON_SIDECAR_IMAGE": "sidecar:1", "PELTON_SCALER": "scaler:9090", "NATS_CA": write("ca", []byte("pem")),
		"PELTON_NATS_ACCOUNT_KEY": signing, "PELTON_NATS_ACCOUNT": o.Accounts[0].PublicKey,
	}
	s, err := read(env)
	if err != nil || s.controller.Issuer == nil || string(s.controller.NATSCA) != "pem" {
		t.Errorf("issuer %v, certificates %q, %v", s.controller.Issuer, s.controller.NATSCA, err)
	}
	for want, change := range map[string][2]string{
		"no such file":               {"PELTON_NATS_ACCOUNT_KEY", filepath.Join(dir, "none")},
		"it is not a seed":           {"PELTON_NATS_ACCOUNT_KEY", env["NATS_CA"]},
		"alone signs nothing":        {"PELTON_NATS_ACCOUNT_KEY", ""},
		"is not the public key":      {"PELTON_NATS_ACCOUNT", "mine"},
		"PELTON_NATS_SECRET":         {"PELTON_NATS_SECRET", "shared"},
		"less than 2s":               {"PELTON_CREDENTIALS_LIFETIME", "1s"},
		"not a duration above zero":  {"PELTON_CREDENTIALS_LIFETIME", "soon"},
		"something else than an acc": {"PELTON_NATS_ACCOUNT_KEY", write("operator", o.Seed)},
	} {
		bad := map[string]string{}
		for name, value := range env {
			bad[name] = value
		}
		bad[change[0]] = change[1]
		if _, err := read(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s=%s: %v, want %q", change[0], change[1], err, want)
		}
	}
}
