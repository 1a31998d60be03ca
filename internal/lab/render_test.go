package lab

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files again")

// testLab is a lab in a directory of the test's own. Nothing of it is started.
func testLab(t *testing.T) *Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c, err := New(Config{Dir: dir, Out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"run/pki", "run/keda-pki", "run/records", "logs"} {
		if err := os.MkdirAll(c.path(path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestGolden compares all settings and command lines of a lab in a fixed directory with what was looked at once.
func TestGolden(t *testing.T) {
	t.Parallel()
	c, err := New(Config{Dir: DefaultDir})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"commands": []byte(commands(c))}
	for _, name := range []string{"containerd.toml", "cni.conflist", "kubelet.yaml", "keda.yaml", "kubeconfig"} {
		if files[name], err = c.render(name, values{User: "admin", CA: "Y2E=", Cert: "Y2VydA==", Key: "a2V5"}); err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range files {
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: run with -update if this is right (-want +got):\n%s", name, diff)
		}
	}
}

// commands shows what every component is started with.
func commands(c *Cluster) string {
	var out strings.Builder
	for _, part := range c.components() {
		spec := c.spec(part)
		out.WriteString("# " + part.name + "\n" + strings.Join(spec.Env, "\n") + "\n" + strings.Join(spec.Command, " \\\n  ") + "\n\n")
	}
	return out.String()
}

// TestPortsAreOurOwn looks for a port that two components have, or that the kernel gives to anybody.
func TestPortsAreOurOwn(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	seen := map[int]string{}
	for _, part := range c.components() {
		for _, port := range part.ports {
			if other, taken := seen[port]; taken || port >= 32768 || port < 1024 {
				t.Errorf("%s has port %d, which is %s's or the kernel's", part.name, port, other)
			}
			seen[port] = part.name
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d ports are checked before a start, there are 12", len(seen))
	}
}

// TestWriteSettings writes what the components read, with keys that only root may read.
func TestWriteSettings(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	if err := c.writeSettings(); err == nil {
		t.Error("settings without certificates")
	}
	if err := c.makeCertificates(); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(c.pki("admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.writeSettings(); err != nil {
			t.Fatal(err)
		}
		if err := c.makeCertificates(); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := os.ReadFile(c.pki("admin.key")); err != nil || string(again) != string(key) {
		t.Errorf("the second time made other keys: %v", err)
	}
	if info, err := os.Stat(c.Kubeconfig()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kubeconfig: %v, %v", info, err)
	}
}
