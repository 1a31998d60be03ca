package bundle_test

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pelton-dev/pelton/internal/bundle"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/image"
)

const name = "pelton.local/fn:1"

var (
	amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = v1.Platform{OS: "linux", Architecture: "arm64"}
)

// folder writes files, and a manifest with the given handler, and returns the function.
func folder(t *testing.T, handler string, files map[string]string) *function.Function {
	t.Helper()
	dir := t.TempDir()
	for path, content := range files {
		put(t, filepath.Join(dir, path), content)
	}
	manifest := filepath.Join(dir, "function.yaml")
	put(t, manifest, `apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: fn}
spec:
  triggers:
    - event: {subjects: [events.fn]}
  handler: `+handler+"\n")
	fns, err := function.Load([]string{manifest})
	if err != nil {
		t.Fatal(err)
	}
	return fns[0]
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	mode := fs.FileMode(0o600)
	if strings.HasPrefix(content, "#!") {
		mode = 0o700
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// layout writes an image as an OCI layout and returns its path.
func layout(t *testing.T, spec image.Spec, platforms ...v1.Platform) string {
	t.Helper()
	var images []*image.Image
	for _, p := range platforms {
		spec.Name, spec.Platform = "pelton.local/base:1", p
		img, err := image.Build(spec)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	r, err := image.Join(images...)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "layout")
	if err := r.WriteLayout(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pythonBase has a python3, though not one that runs.
func pythonBase(t *testing.T) string {
	return layout(t, image.Spec{
		Files: []image.File{{Path: "/usr/bin/python3", Data: []byte("x"), Mode: 0o755}}, Env: []string{"PATH=/usr/bin"},
	}, image.Here())
}

func sidecarImage(t *testing.T) string {
	return layout(t, image.Spec{
		Files:      []image.File{{Path: "/app/pelton-sidecar", Data: []byte("x"), Mode: 0o755}},
		Entrypoint: []string{"/app/pelton-sidecar"}, User: "65532",
	}, image.Here())
}

// built is the image of one platform, read as others would.
type built struct {
	img    v1.Image
	files  map[string]string // content, by path; of a link where it leads, with an arrow
	config v1.Config
}

// read takes the image of a platform out of a release.
func read(t *testing.T, r *image.Release, platform v1.Platform) built {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	if err := r.WriteLayout(dir); err != nil {
		t.Fatal(err)
	}
	img, err := image.OpenBase(t.Context(), dir, platform, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	b := built{img: img, files: map[string]string{}, config: file.Config}
	content := mutate.Extract(img)
	defer content.Close()
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return b
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeDir {
			continue
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		b.files[header.Name] = string(data)
		if header.Linkname != "" {
			b.files[header.Name] = "-> " + header.Linkname
		}
	}
}

func (b built) names() []string { return slices.Sorted(maps.Keys(b.files)) }

const program = `package main

import "fmt"

func main() { fmt.Println("made") }
`

// goFunction is a module of its own, with a data file and a hidden one.
func goFunction(t *testing.T) *function.Function {
	return folder(t, "{protocol: stream, build: [go, build, -o, bin/fn, .], command: [./bin/fn, -v]}", map[string]string{
		"main.go": program, "go.mod": "module example.com/fn\n\ngo 1.26\n", "data/a.txt": "a", ".env": "SECRET=1",
	})
}

// TestGoFunction compiles for two platforms. The image holds the program alone, the folder stays as it was, and the program
// runs.
func TestGoFunction(t *testing.T) {
	t.Parallel()
	fn := goFunction(t)
	r, err := bundle.Build(t.Context(), fn, bundle.Config{Name: name, Platforms: []v1.Platform{amd64, arm64}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []v1.Platform{amd64, arm64} {
		b := read(t, r, p)
		if diff := cmp.Diff([]string{"app/bin/fn"}, b.names()); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", p, diff)
		}
		if diff := cmp.Diff(v1.Config{
			Entrypoint: []string{"./bin/fn", "-v"}, User: "65532:65532", WorkingDir: "/app",
			Labels: map[string]string{"dev.pelton.function": "fn", "dev.pelton.protocol": "stream"},
		}, b.config); diff != "" {
			t.Errorf("%s: config (-want +got):\n%s", p, diff)
		}
		if p.Architecture != runtime.GOARCH {
			continue
		}
		file := filepath.Join(t.TempDir(), "fn")
		if err := os.WriteFile(file, []byte(b.files["app/bin/fn"]), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(file).CombinedOutput(); err != nil || string(out) != "made\n" {
			t.Errorf("the program says %q, %v", out, err)
		}
	}
	if _, err := os.Stat(filepath.Join(fn.Origin.Dir, "bin")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written into the folder: %v", err)
	}
}

// TestSameDigest builds the same function from two folders, at two times, and then another one.
func TestSameDigest(t *testing.T) {
	t.Parallel()
	digest := func(fn *function.Function) v1.Hash {
		r, err := bundle.Build(t.Context(), fn, bundle.Config{Name: name, With: []string{"data"}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := r.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	one, two := goFunction(t), goFunction(t)
	old := time.Unix(1_000_000_000, 0)
	for _, file := range []string{"main.go", "data/a.txt", "data"} {
		if err := os.Chtimes(filepath.Join(two.Origin.Dir, file), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := digest(one), digest(two); a != b {
		t.Errorf("the same function has two digests: %s, %s", a, b)
	}
	put(t, filepath.Join(two.Origin.Dir, "data", "a.txt"), "b")
	if a, b := digest(one), digest(two); a == b {
		t.Error("another function has the same digest")
	}
}

// TestFolder takes what a function needs and leaves out what is hidden, left behind, or named.
func TestFolder(t *testing.T) {
	t.Parallel()
	fn := folder(t, "{command: [python3, handler.py]}", map[string]string{
		"handler.py": "code", "run.sh": "#!/bin/sh", "lib/util.py": "util", "templates/a.html": "html",
		"node_modules/.pnpm/x.js": "x", "__pycache__/handler.pyc": "c", ".git/config": "git", ".env": "SECRET=1",
		".venv/bin/python": "p",
		"handler.py~":      "old", "notes.tmp": "tmp", "out/1.png": "png", "lib/out/2.png": "png", "app.log": "log", "lib/b.log": "log",
		"data/big.bin": "big", "other.function.yaml": "kind: x", ".peltonignore": "# left behind\n*.log\nout/\n/data\n",
	})
	if err := os.Symlink("lib/util.py", filepath.Join(fn.Origin.Dir, "link.py")); err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Build(t.Context(), fn, bundle.Config{Name: name, Base: pythonBase(t), With: []string{".env"}})
	if err != nil {
		t.Fatal(err)
	}
	b := read(t, r, image.Here())
	if diff := cmp.Diff([]string{
		"app/.env", "app/handler.py", "app/lib/util.py", "app/link.py", "app/node_modules/.pnpm/x.js", "app/run.sh",
		"app/templates/a.html", "usr/bin/python3",
	}, b.names()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if b.files["app/link.py"] != "-> lib/util.py" || b.files["app/handler.py"] != "code" {
		t.Errorf("content: %v", b.files)
	}
	if !slices.Equal(b.config.Entrypoint, []string{"python3", "handler.py"}) || b.config.Env[0] != "PATH=/usr/bin" {
		t.Errorf("config: %+v", b.config)
	}
}

// TestBuildCommand runs what the manifest says before the folder is read.
func TestBuildCommand(t *testing.T) {
	t.Parallel()
	fn := folder(t, `{build: [sh, -c, 'echo "$KIND $PELTON_FUNCTION" > made.txt; echo told'], command: [python3, h.py], `+
		`env: [{name: KIND, value: k}]}`, nil)
	var told strings.Builder
	r, err := bundle.Build(t.Context(), fn, bundle.Config{Name: name, Base: pythonBase(t), Output: &told})
	if err != nil {
		t.Fatal(err)
	}
	if made := read(t, r, image.Here()).files["app/made.txt"]; made != "k fn\n" || told.String() != "told\n" {
		t.Errorf("made %q, told %q", made, told.String())
	}
}

// TestExec puts the sidecar under the function, and what else the command needs under the sidecar.
func TestExec(t *testing.T) {
	t.Parallel()
	shell := folder(t, "{protocol: exec, command: [python3, handler.py]}", map[string]string{"handler.py": "code"})
	own := folder(t, "{protocol: exec, command: [./run]}", map[string]string{"run": "#!/bin/x"})
	sidecar := sidecarImage(t)
	for title, test := range map[string]struct {
		fn   *function.Function
		base string
		want []string
	}{
		"on a base": {shell, pythonBase(t), []string{"app/handler.py", "app/pelton-sidecar", "usr/bin/python3"}},
		"alone":     {own, "", []string{"app/pelton-sidecar", "app/run"}},
		"scratch":   {own, image.Scratch, []string{"app/pelton-sidecar", "app/run"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			r, err := bundle.Build(t.Context(), test.fn, bundle.Config{Name: name, Base: test.base, Sidecar: sidecar})
			if err != nil {
				t.Fatal(err)
			}
			b := read(t, r, image.Here())
			if diff := cmp.Diff(test.want, b.names()); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if !slices.Equal(b.config.Entrypoint, []string{"/app/pelton-sidecar"}) || b.config.WorkingDir != "/app" {
				t.Errorf("config: %+v", b.config)
			}
		})
	}
}
