package main

import (
	"errors"
	"flag"
	"strings"
	"testing"
)

// TestWrongUse shows the usage for what is no command, before anything is touched.
func TestWrongUse(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"", "-h", "upp", "up now", "up -hpa", "up -hpa soon", "down now", "status all", "build etcd", "load", "restart",
		"restart kubelet etcd", "host",
	} {
		if err := run(t.Context(), strings.Fields(args)); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("lab %s: %v", args, err)
		}
	}
}

// TestNamesThatAreNone says what is wrong with them.
func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), []string{"restart", "kubelett"}); err == nil || !strings.Contains(err.Error(), `"kubelett"`) {
		t.Errorf("restart: %v", err)
	}
}
