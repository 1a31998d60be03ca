package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/controller"
	"github.com/pelton-dev/pelton/internal/desired"
)

func read(env map[string]string) (settings, error) {
	return readSettings(func(name string) string { return env[name] })
}

// TestAllMistakesAtOnce finds every bad variable in one error.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := read(map[string]string{
		"KUBECONFIG": filepath.Join(t.TempDir(), "none"), "NATS_CERT": t.TempDir(), "PELTON_WORKERS": "0", "PELTON_RESYNC": "soon",
		"PELTON_STREAM_REPLICAS": "many", "PELTON_LOG_LEVEL": "loud", "PELTON_CLOSED_EGRESS": "maybe",
		"PELTON_SIDECAR_IMAGE": "sidecar:1", "PELTON_SCALER": "scaler:9090", "PELTON_PULL_POLICY": "Sometimes",
		"PELTON_NATS_SECRET": "nats", "PELTON_SCALER_AUTH": "Secret/keda",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"KUBECONFIG", "NATS_KEY", "PELTON_WORKERS", "PELTON_RESYNC", "PELTON_STREAM_REPLICAS", "PELTON_LOG_LEVEL",
		"PELTON_CLOSED_EGRESS", "PELTON_PULL_POLICY", "NATSCredentials", "TriggerAuthentication",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in:\n%v", want, err)
		}
	}
	for _, name := range []string{"PELTON_SIDECAR_IMAGE", "PELTON_SCALER"} {
		env := map[string]string{"PELTON_SIDECAR_IMAGE": "sidecar:1", "PELTON_SCALER": "scaler:9090"}
		delete(env, name)
		if _, err := read(env); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s, err := read(map[string]string{
		"NATS_URL": "nats://here:4222", "PELTON_SIDECAR_IMAGE": "sidecar:1", "PELTON_SCALER": "scaler:9090",
		"PELTON_SCALER_AUTH": "keda", "PELTON_NAMESPACES": "a, b,", "PELTON_RESYNC": "1m", "PELTON_HEALTH_ADDRESS": "off",
	})
	if err != nil {
		t.Fatal(err)
	}
	c := s.controller
	if c.Settings.NATSURL != "nats://here:4222" || !slices.Equal(c.Namespaces, []string{"a", "b"}) || c.Resync != time.Minute ||
		c.Workers != controller.DefaultWorkers || s.health != "" ||
		c.Settings.TriggerAuthentication != (desired.TriggerAuthentication{Name: "keda", Kind: "ClusterTriggerAuthentication"}) {
		t.Errorf("settings %+v", s)
	}
	s, err = read(map[string]string{
		"PELTON_SIDECAR_NATS_URL": "nats://there:4222", "PELTON_SIDECAR_IMAGE": "sidecar:1", "PELTON_SCALER": "scaler:9090",
		"PELTON_SCALER_AUTH": "TriggerAuthentication/mine",
	})
	if err != nil || s.controller.Settings.NATSURL != "nats://there:4222" ||
		s.controller.Settings.TriggerAuthentication != (desired.TriggerAuthentication{Name: "mine", Kind: "TriggerAuthentication"}) {
		t.Errorf("settings %+v, %v", s.controller.Settings, err)
	}
}
