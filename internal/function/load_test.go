package function_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/pelton-dev/pelton/internal/function"
)

// named makes a valid manifest of a function with the given name.
func named(name string) string { return strings.Replace(spec(), "name: f", "name: "+name, 1) }

// folder writes files, whose directories it makes, and returns the folder's path.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loadProblems loads paths that must have problems and returns these, with dir left out.
func loadProblems(t *testing.T, dir string, paths []string, checks ...function.Check) []string {
	t.Helper()
	functions, err := function.Load(paths, checks...)
	var invalid *function.Invalid
	if !errors.As(err, &invalid) || functions != nil {
		t.Fatalf("%d functions, error %v", len(functions), err)
	}
	return strings.Split(strings.ReplaceAll(err.Error(), dir, "DIR"), "\n")
}

func TestLoadFindsManifests(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"function.yaml": named("a"), "b/function.yml": named("b1") + "---\n" + named("b2"), "b/c/x.function.yaml": named("c"),
		"b/x.function.yml": named("d"), "other.yaml": named("no"), "myfunction.yaml": named("no"),
		"function.yaml.bak":     named("no"),
		".hidden/function.yaml": named("no"), "node_modules/x/function.yaml": named("no"), "vendor/function.yaml": named("no"),
		"__pycache__/function.yaml": named("no"), "b/bin/function.yaml": named("no"), "explicit.txt": named("e"),
		"bin/function.yaml": named("f"),
	})
	// The same file under several names is one file; a directory that is named itself is searched whatever its name.
	paths := []string{
		dir, filepath.Join(dir, "explicit.txt"), filepath.Join(dir, "b", "..", "explicit.txt"),
		filepath.Join(dir, "b"), filepath.Join(dir, "bin"),
	}
	functions, err := function.Load(paths)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range functions {
		names = append(names, f.Metadata.Name)
		if f.Origin.File == "" || f.Origin.Dir != filepath.Dir(f.Origin.File) || f.Origin.Line == 0 {
			t.Errorf("%s comes from %+v", f.Key(), f.Origin)
		}
	}
	if diff := cmp.Diff([]string{"c", "b1", "b2", "d", "a", "e", "f"}, names); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
}

func TestLoadFollowsLinks(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"real/function.yaml": named("a")})
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	functions, err := function.Load([]string{filepath.Join(dir, "link"), filepath.Join(dir, "real")})
	if err != nil || len(functions) != 1 || functions[0].Origin.Dir != filepath.Join(dir, "link") {
		t.Errorf("functions %v, error %v", functions, err)
	}
}

func TestLoadReportsAllProblemsOfAllFiles(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"a/function.yaml": named("same"), "b/function.yaml": named("same") + "  timeout: 0s\n", "c/function.yaml": "a: [\n",
		"d/function.yaml": "", "e/readme.md": "", "f.yaml": spec("concurency: 1", "scale: {maxReplicas: -1}"),
		"g/function.yaml": strings.Replace(trigger("{http: {path: /x}}"), "name: f", "name: g", 1),
		"h/function.yaml": strings.Replace(trigger("{http: {path: /x}}"), "name: f", "name: h", 1),
	})
	if err := os.Symlink("nowhere", filepath.Join(dir, "a", "x.function.yaml")); err != nil {
		t.Fatal(err)
	}
	got := loadProblems(t, dir, []string{dir, dir + "/e", dir + "/f.yaml", dir + "/missing"})
	want := []string{
		"DIR/a/x.function.yaml: there is no such file or directory (check the path)",
		"DIR/b/function.yaml:3:18: metadata.name: there is already a function same, at DIR/a/function.yaml:3:18 " +
			"(give one of them another name or namespace)",
		"DIR/b/function.yaml:7:12: spec.timeout: 0s is less than 1ms, so no attempt could succeed " +
			"(write how long one attempt may take, such as 30s)",
		"DIR/c/function.yaml:2: the text is not YAML: did not find expected node content",
		"DIR/d/function.yaml: the file holds no manifest (begin with apiVersion: pelton.dev/v1alpha1 and kind: Function)",
		"DIR/e: there is no manifest in this directory (name it function.yaml or NAME.function.yaml, or give the file by name)",
		"DIR/f.yaml:7:3: spec.concurency: there is no such field (did you mean concurrency?)",
		"DIR/f.yaml:8:24: spec.scale.maxReplicas: -1 is less than 1 (write a number from 1 to 1000)",
		"DIR/h/function.yaml:6:28: spec.triggers[0].http.path: POST \"/x\" already belongs to function g, at DIR/g/function.yaml:6:28 " +
			"(choose another path or method)",
		"DIR/missing: there is no such file or directory (check the path)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestLoadRefusesWhatIsNotAFile(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"function.yaml": named("a")})
	large := filepath.Join(dir, "large.function.yaml")
	if err := os.WriteFile(large, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// Sparse: were it read, this would be a terabyte.
	if err := os.Truncate(large, 1<<40); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe.function.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := loadProblems(t, dir, []string{dir, "/dev/null"})
	want := []string{
		"/dev/null: it is not a regular file (name a file or a directory)",
		"DIR/large.function.yaml: the file has 1099511627776 bytes, more than the 1048576 a manifest may have " +
			"(split it, and keep data out of manifests)",
		"DIR/pipe.function.yaml: it is not a regular file (name a file or a directory)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestLoadWithoutPermission(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"function.yaml": named("a"), "sub/function.yaml": named("b")})
	for _, name := range []string{"function.yaml", "sub"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "sub"), 0o755) })
	if os.Geteuid() == 0 {
		// Nothing is closed to root: there it must simply load.
		if _, err := function.Load([]string{dir}); err != nil {
			t.Error(err)
		}
		return
	}
	got := loadProblems(t, dir, []string{dir})
	want := []string{
		"DIR/function.yaml: it cannot be read: permission denied (check who owns it)",
		"DIR/sub: it cannot be read: permission denied (check who owns it)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestLoadNothing(t *testing.T) {
	t.Parallel()
	if got := loadProblems(t, "-", nil); len(got) != 1 || got[0] != "no manifest is named (name files or directories)" {
		t.Errorf("problems %q", got)
	}
}

func TestLoadChecks(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"a.function.yaml": strings.Replace(handlerOf("image: a"), "name: f", "name: a", 1),
		"b.function.yaml": strings.Replace(handlerOf("image: a, command: 3"), "name: f", "name: b", 1),
		"c.function.yaml": named("c"),
		"d.function.yaml": "kind: Deployment\n",
	})
	noC := func(f *function.Function) []function.Problem {
		if f.Metadata.Name != "c" {
			return nil
		}
		return []function.Problem{{Path: "spec.triggers[0].event.filter", Message: "wrong", Hint: "right"}}
	}
	got := loadProblems(t, dir, []string{dir}, function.CheckCommand, noC)
	want := []string{
		"DIR/a.function.yaml:6:3: spec.handler.command: it is missing, and without a container platform there is nothing else to start " +
			"(write command: [python3, handler.py])",
		"DIR/b.function.yaml:6:32: spec.handler.command: the number 3 stands where a list is expected (write [\"3\"])",
		"DIR/c.function.yaml:5:15: spec.triggers[0].event.filter: wrong (right)",
		"DIR/d.function.yaml:1:7: kind: \"Deployment\" is not a kind of this program (write Function, the only kind served)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
