package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
)

// hostsFile is where names of this machine are looked up; hostsMark ends every line of ours.
const (
	hostsFile = "/etc/hosts"
	hostsMark = "# pelton-lab"
)

// SetHost gives a name to addresses, for what runs on this machine, such as KEDA: there is no DNS in a lab. It replaces the
// addresses that SetHost gave to the name before; none takes the name away. Down removes all names.
//
// gRPC looks a name up again only when a connection is lost, and at most every 30 s.
func (c *Cluster) SetHost(ctx context.Context, name string, addresses ...string) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return setHost(hostsFile, name, addresses)
}

func setHost(file, name string, addresses []string) error {
	if name == "" || strings.ContainsAny(name, " \t\n#") {
		return fmt.Errorf("set host %q: not a name", name)
	}
	var lines []string
	for _, a := range addresses {
		if net.ParseIP(a) == nil {
			return fmt.Errorf("set host %s: %q is not an IP address", name, a)
		}
		lines = append(lines, a+" "+name+" "+hostsMark)
	}
	return editHosts(file, func(line string) bool { return slices.Contains(strings.Fields(line), name) }, lines)
}

// editHosts removes our lines for which gone returns true and adds others. The file is often a mount, which cannot be
// replaced, so that it is written in place, and only if it changes.
func editHosts(file string, gone func(string) bool, add []string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("edit %s: %w", file, err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(old)) {
		if ours := strings.HasSuffix(strings.TrimSpace(line), hostsMark); !ours || !gone(line) {
			out.WriteString(line)
		}
	}
	if out.Len() > 0 && !strings.HasSuffix(out.String(), "\n") && len(add) > 0 {
		out.WriteString("\n")
	}
	for _, line := range add {
		out.WriteString(line + "\n")
	}
	if out.String() == string(old) {
		return nil
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
		return fmt.Errorf("edit %s: %w", file, err)
	}
	return nil
}

// clearHosts removes every line of ours.
func clearHosts(file string) error {
	return editHosts(file, func(string) bool { return true }, nil)
}
