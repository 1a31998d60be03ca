package lab

import (
	"os"
	"path/filepath"
	"testing"
)

// repository is a tree with the modules' go.mod and go.sum alone.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, module := range []string{"etcd", "kubernetes", "keda"} {
		for _, name := range []string{"go.mod", "go.sum"} {
			path := filepath.Join("internal", "lab", "modules", module, name)
			text, err := os.ReadFile(filepath.Join("../..", path))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(root, path), string(text))
		}
	}
	return root
}

// TestStamp changes with everything that makes another program, and with nothing else.
func TestStamp(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	c.repo = repository(t)
	seen := map[string]string{}
	look := func(what string, p program, version string) string {
		t.Helper()
		stamp, _, err := c.stamp(p, version)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[stamp]; twice {
			t.Errorf("%s has the stamp of %s", what, other)
		}
		seen[stamp] = what
		return stamp
	}
	for _, p := range programs {
		stamp := look(p.name, p, "go1")
		if again, _, err := c.stamp(p, "go1"); err != nil || again != stamp {
			t.Errorf("%s: another stamp for the same, %v", p.name, err)
		}
		look(p.name+" by another Go", p, "go2")
	}
	etcd := programs[0]
	sum := filepath.Join(c.module(etcd), "go.sum")
	write(t, sum, content(t, sum)+"another\n")
	changed := look("etcd of other modules", etcd, "go1")

	if c.isBuilt(etcd, changed) {
		t.Error("built, without a program")
	}
	write(t, c.stampPath(etcd), changed)
	if c.isBuilt(etcd, changed) {
		t.Error("built, with a stamp and no program")
	}
	write(t, c.path("bin", "etcd"), "")
	if !c.isBuilt(etcd, changed) || c.isBuilt(etcd, "another") {
		t.Error("want built for this stamp and no other")
	}
	c.repo = t.TempDir()
	if _, _, err := c.stamp(etcd, "go1"); err == nil {
		t.Error("a stamp without a module")
	}
}

func TestFlagsOfKubernetes(t *testing.T) {
	t.Parallel()
	kubelet := program{"kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet"}
	flags, err := ldflags(kubelet, []byte("module x\n\nrequire (\n\ta.b/c v1.0.0\n\tk8s.io/kubernetes v1.34.4\n)\n"))
	const set = "-X k8s.io/component-base/version.git"
	if want := "-s -w " + set + "Version=v1.34.4 " + set + "Major=1 " + set + "Minor=34"; flags != want || err != nil {
		t.Errorf("got %q, %v", flags, err)
	}
	_, err = ldflags(kubelet, []byte("module x\n"))
	wantError(t, err, "k8s.io/kubernetes")
	_, err = ldflags(kubelet, []byte("require k8s.io/kubernetes latest\n"))
	wantError(t, err, `"latest"`)
	if flags, err := ldflags(program{module: "etcd"}, nil); flags != "-s -w" || err != nil {
		t.Errorf("etcd: %q, %v", flags, err)
	}
}

func TestFindRepository(t *testing.T) {
	t.Parallel()
	root := repository(t)
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &Cluster{repo: deep}
	if err := c.findRepository(); err != nil || c.repo != root {
		t.Errorf("found %q, %v", c.repo, err)
	}
	wantError(t, (&Cluster{repo: t.TempDir()}).findRepository(), "inside Pelton's repository")
}

// TestBuildOfWhatDoesNotCompile has what the compiler says.
func TestBuildOfWhatDoesNotCompile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module broken\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { nonsense() }\n")
	err := goBuild(t.Context(), t.Output(), dir, filepath.Join(dir, "out"), "-s -w", ".")
	wantError(t, err, "go build .", "undefined: nonsense")
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
	if err := goBuild(t.Context(), t.Output(), dir, filepath.Join(dir, "out"), "-s -w", "."); err != nil {
		t.Error(err)
	}
}

func TestSizeOf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a", "b"), "12345")
	write(t, filepath.Join(dir, "c"), "123")
	if size := sizeOf(filepath.Join(dir, "a"), 1<<20); size < 5 {
		t.Errorf("size %d", size)
	}
	if size := sizeOf(filepath.Join(dir, "none"), 1<<20); size != 0 {
		t.Errorf("size of nothing: %d", size)
	}
}
