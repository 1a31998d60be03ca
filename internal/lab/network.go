package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/pelton-dev/pelton/internal/lab/proc"
)

// resultsDir is where the CNI library remembers what it gave to whom. What it gave to our pods names our directory.
const resultsDir = "/var/lib/cni/results"

// link is a network device as `ip -json address` shows it.
type link struct {
	Name      string   `json:"ifname"`
	Flags     []string `json:"flags"`
	Addresses []struct {
		Local string `json:"local"`
	} `json:"addr_info"`
}

func (l link) has(ip string) bool {
	for _, a := range l.Addresses {
		if a.Local == ip {
			return true
		}
	}
	return false
}

func links(ctx context.Context) ([]link, error) {
	out, err := output(exec.CommandContext(ctx, "ip", "-json", "address"))
	if err != nil {
		return nil, fmt.Errorf("list network devices: %w", err)
	}
	var all []link
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("list network devices: %w", err)
	}
	return all, nil
}

// hasBridge reports whether our bridge is there.
func hasBridge() bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", bridge))
	return err == nil
}

// ensureBridge makes the bridge with its address.
func (c *Cluster) ensureBridge(ctx context.Context) (string, error) {
	all, err := links(ctx)
	if err != nil {
		return "", err
	}
	if err := addressFree(all); err != nil {
		return "", err
	}
	note := "is there"
	i := slices.IndexFunc(all, func(l link) bool { return l.Name == bridge })
	if i < 0 {
		note = "made"
		if err := run(ctx, "ip", "link", "add", bridge, "type", "bridge"); err != nil {
			return "", fmt.Errorf("%w: make a bridge (the kernel needs CONFIG_BRIDGE, or a module that modprobe finds): %w", ErrMachine, err)
		}
		all = append(all, link{Name: bridge})
		i = len(all) - 1
	}
	if !all[i].has(bridgeIP) {
		if err := run(ctx, "ip", "address", "add", bridgeIP+"/24", "dev", bridge); err != nil {
			return "", err
		}
	}
	return bridge + " " + bridgeIP + " " + note, run(ctx, "ip", "link", "set", bridge, "up")
}

// addressFree refuses an address that another device has: its traffic would go astray.
func addressFree(all []link) error {
	for _, l := range all {
		if l.Name != bridge && l.has(bridgeIP) {
			return fmt.Errorf("the network device %s has the address %s that the lab needs", l.Name, bridgeIP)
		}
	}
	return nil
}

// removeNetwork removes the bridge and what the CNI plugins remember. The pods' devices went with their namespaces.
func (c *Cluster) removeNetwork(ctx context.Context) (string, error) {
	var problems []error
	if hasBridge() {
		problems = append(problems, run(ctx, "ip", "link", "delete", bridge))
	}
	return "", errors.Join(append(problems, removeNaming(resultsDir, c.dir))...)
}

// removeNaming removes the files of a directory in which a path under another directory is written.
func removeNaming(dir, named string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	problems := []error{err}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(named+"/")) {
			problems = append(problems, os.Remove(file))
		}
	}
	return errors.Join(problems...)
}

// portsFree reports every port of a component that somebody else has, and who.
func portsFree(part component) error {
	var problems []error
	for _, port := range part.ports {
		if holder := proc.Holder(port); holder != "" {
			problems = append(problems, fmt.Errorf("port %d is taken by %s: end it, the lab cannot use another", port, holder))
		}
	}
	return errors.Join(problems...)
}
