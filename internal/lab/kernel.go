package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// kernelSettings are what the kubelet sets for itself, on the whole machine.
var kernelSettings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
}

// readKernel returns the settings as they are. Those that a kernel does not have are left out.
func readKernel(root string) map[string]string {
	settings := map[string]string{}
	for _, name := range kernelSettings {
		if text, err := os.ReadFile(filepath.Join(root, name)); err == nil {
			settings[name] = strings.TrimSpace(string(text))
		}
	}
	return settings
}

// restoreKernel sets what differs from settings.
func restoreKernel(root string, settings map[string]string) error {
	var problems []error
	now := readKernel(root)
	for name, value := range settings {
		if now[name] == value {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(value), 0o644); err != nil {
			problems = append(problems, fmt.Errorf("restore kernel setting %s: %w", name, err))
		}
	}
	return errors.Join(problems...)
}
