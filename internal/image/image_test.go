package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/pelton-dev/pelton/internal/image"
)

// open reads an archive as a base for this machine.
func open(t *testing.T, archive string) v1.Image {
	t.Helper()
	img, err := image.OpenBase(t.Context(), archive, image.Here(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// found is one entry of a written image.
type found struct {
	mode int64
	kind byte
	data string
}

// write builds a spec and returns the path of its archive.
func write(t *testing.T, spec image.Spec) string {
	t.Helper()
	img, err := image.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := img.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// readBack reads an archive as others would, and returns its files in order and its config.
func readBack(t *testing.T, path string) ([]string, map[string]found, v1.Config) {
	t.Helper()
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.OS != "linux" || file.Architecture != runtime.GOARCH {
		t.Errorf("platform is %s/%s", file.OS, file.Architecture)
	}
	content := mutate.Extract(img)
	defer content.Close()
	var names []string
	files := map[string]found{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names, files, file.Config
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.ModTime.Unix() != 0 || header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s: time %v, owner %d:%d: want fixed ones", header.Name, header.ModTime, header.Uid, header.Gid)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		files[header.Name] = found{mode: header.Mode, kind: header.Typeflag, data: string(data)}
	}
}

func source(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReadBack writes files of every kind and reads the archive back.
func TestReadBack(t *testing.T) {
	t.Parallel()
	path := write(t, image.Spec{
		Name: "pelton.local/hello:1",
		Files: []image.File{
			{Path: "/app/hello", Source: source(t, "program", 0o700)},
			{Path: "/app/conf/a.yaml", Data: []byte("a: 1")},
			{Path: "/app/run.sh", Source: source(t, "#!", 0o644), Mode: 0o755},
			{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		},
		Entrypoint: []string{"/app/hello"}, Cmd: []string{"-v"}, Env: []string{"A=1", "B=2", "A=3"},
		User: "65532", WorkingDir: "/app", Labels: map[string]string{"one": "1"},
	})
	names, files, config := readBack(t, path)
	if diff := cmp.Diff([]string{
		"app", "app/conf", "app/conf/a.yaml", "app/hello", "app/run.sh", "tmp",
	}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	want := map[string]found{
		"app": {0o755, tar.TypeDir, ""}, "app/conf": {0o755, tar.TypeDir, ""},
		"app/conf/a.yaml": {0o644, tar.TypeReg, "a: 1"}, "app/hello": {0o700, tar.TypeReg, "program"},
		"app/run.sh": {0o755, tar.TypeReg, "#!"}, "tmp": {0o1777, tar.TypeDir, ""},
	}
	if diff := cmp.Diff(want, files, cmp.AllowUnexported(found{})); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(v1.Config{
		Entrypoint: []string{"/app/hello"}, Cmd: []string{"-v"}, Env: []string{"A=3", "B=2"},
		User: "65532", WorkingDir: "/app", Labels: map[string]string{"one": "1"},
	}, config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

// TestSameBytesTwice builds the same files, given in another order, from other paths and at another time.
func TestSameBytesTwice(t *testing.T) {
	t.Parallel()
	build := func(files ...image.File) []byte {
		path := write(t, image.Spec{
			Name: "pelton.local/a:1", Files: files, Labels: map[string]string{"x": "1", "y": "2", "z": "3"},
		})
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	one := build(image.File{Path: "/b/x", Source: source(t, "x", 0o644)}, image.File{Path: "/a/y", Data: []byte("y")})
	two := build(image.File{Path: "/a/y", Data: []byte("y")}, image.File{Path: "/b/x", Source: source(t, "x", 0o644)})
	if !bytes.Equal(one, two) {
		t.Error("the same files made different archives")
	}
	if three := build(image.File{Path: "/a/y", Data: []byte("z")}); bytes.Equal(one, three) {
		t.Error("different files made the same archive")
	}
}

// TestBase puts a layer on top of another image, whose settings stay unless they are replaced.
func TestBase(t *testing.T) {
	t.Parallel()
	base := open(t, write(t, image.Spec{
		Name:       "pelton.local/base:1",
		Files:      []image.File{{Path: "/etc/os", Data: []byte("base")}, {Path: "/app/x", Data: []byte("old")}},
		Entrypoint: []string{"/bin/sh"}, Cmd: []string{"-c"}, Env: []string{"PATH=/bin", "HOME=/"}, User: "7",
		Labels: map[string]string{"a": "base", "b": "base"},
	}))
	spec := image.Spec{
		Name: "pelton.local/top:1", Base: base,
		Files: []image.File{{Path: "/app/x", Data: []byte("new")}}, Entrypoint: []string{"/app/x"},
		Env: []string{"HOME=/app"}, Labels: map[string]string{"b": "top"},
	}
	_, files, config := readBack(t, write(t, spec))
	if files["etc/os"].data != "base" || files["app/x"].data != "new" {
		t.Errorf("files: %v", files)
	}
	if diff := cmp.Diff(v1.Config{
		Entrypoint: []string{"/app/x"}, Env: []string{"PATH=/bin", "HOME=/app"}, User: "7",
		Labels: map[string]string{"a": "base", "b": "top"},
	}, config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	spec.Platform = v1.Platform{OS: "linux", Architecture: "s390x"}
	if _, err := image.Build(spec); err == nil || !strings.Contains(err.Error(), "want linux/s390x") {
		t.Errorf("another architecture than the base's: %v", err)
	}
}

// TestErrorsNameWhatIsWrong builds from one broken spec after another.
func TestErrorsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	gone := filepath.Join(t.TempDir(), "gone")
	text := func(path string) image.File { return image.File{Path: path, Data: []byte("x")} }
	for name, test := range map[string]struct {
		spec image.Spec
		want []string
	}{
		"no name":      {image.Spec{}, []string{"example.com/hello:1"}},
		"no tag":       {image.Spec{Name: "pelton.local/a"}, []string{"pelton.local/a", "example.com/hello:1"}},
		"no source":    {image.Spec{Files: []image.File{{Path: "/app/x", Source: gone}}}, []string{`"/app/x"`, gone}},
		"a directory":  {image.Spec{Files: []image.File{{Path: "/app/x", Source: t.TempDir()}}}, []string{"not a regular file"}},
		"no path":      {image.Spec{Files: []image.File{text("")}}, []string{"want a path"}},
		"the root":     {image.Spec{Files: []image.File{text("/")}}, []string{"want a path"}},
		"outside":      {image.Spec{Files: []image.File{text("/../x")}}, []string{`"/../x"`}},
		"twice":        {image.Spec{Files: []image.File{text("/x"), text("x")}}, []string{"twice"}},
		"file and dir": {image.Spec{Files: []image.File{text("/x"), text("/x/y")}}, []string{"/x is a file"}},
		"both": {
			image.Spec{Files: []image.File{{Path: "/x", Source: gone, Data: []byte("x")}}}, []string{"want one"},
		},
		"directory with content": {
			image.Spec{Files: []image.File{{Path: "/x", Mode: fs.ModeDir | 0o755, Data: []byte("x")}}}, []string{"no content"},
		},
		"a slash and no directory": {image.Spec{Files: []image.File{text("/x/")}}, []string{"slash"}},
		"env":                      {image.Spec{Env: []string{"NAME"}}, []string{`"NAME"`, "NAME=VALUE"}},
		"all at once":              {image.Spec{Files: []image.File{text("/../a"), text("/../b")}}, []string{"/../a", "/../b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.spec.Name == "" && name != "no name" {
				test.spec.Name = "pelton.local/a:1"
			}
			_, err := image.Build(test.spec)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("want %q in: %v", want, err)
				}
			}
		})
	}
}

// TestWriteFails leaves nothing half written behind.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	img, err := image.Build(image.Spec{Name: "pelton.local/a:1", Files: []image.File{{Path: "/x", Data: []byte("x")}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "taken", "by a directory"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := img.WriteFile(filepath.Join(dir, "taken")); err == nil {
		t.Error("wrote over a directory")
	}
	if err := img.WriteFile(filepath.Join(dir, "gone", "image.tar")); err == nil {
		t.Error("wrote into a directory that is not there")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
