package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/pelton-dev/pelton/internal/image"
)

var (
	amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = v1.Platform{OS: "linux", Architecture: "arm64"}
	armv6 = v1.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}
)

// join makes a release with one file that says what it is for.
func join(t *testing.T, name string, platforms ...v1.Platform) *image.Release {
	t.Helper()
	var images []*image.Image
	for _, p := range platforms {
		img, err := image.Build(image.Spec{
			Name: name, Platform: p, Files: []image.File{{Path: "/for", Data: []byte(p.String())}},
		})
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	r, err := image.Join(images...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestLayout writes a layout for two platforms, over an older one, and takes each from it as a base.
func TestLayout(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "layout")
	if err := join(t, "pelton.local/old:1", armv6).WriteLayout(dir); err != nil {
		t.Fatal(err)
	}
	r := join(t, "pelton.local/new:2", amd64, arm64)
	if err := r.WriteLayout(dir); err != nil {
		t.Fatal(err)
	}
	for _, p := range []v1.Platform{amd64, arm64} {
		img, err := image.OpenBase(t.Context(), dir, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if yes, err := image.HasFile(img, func(name string) bool { return name == "for" }); err != nil || !yes {
			t.Errorf("%s: the file is not there: %v", p, err)
		}
	}
	_, err := image.OpenBase(t.Context(), dir, armv6, nil)
	missing, ok := errors.AsType[*image.PlatformError](err)
	if !ok || !cmp.Equal(missing.Have, []v1.Platform{amd64, arm64}) {
		t.Errorf("the platform of the old layout: %v", err)
	}
	checkIndex(t, dir, r)
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// checkIndex reads what others find a layout's content by.
func checkIndex(t *testing.T, dir string, r *image.Release) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := r.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest != digest {
		t.Fatalf("want %s alone: %+v", digest, manifest.Manifests)
	}
	names := map[string]string{"org.opencontainers.image.ref.name": "2", "io.containerd.image.name": "pelton.local/new:2"}
	if diff := cmp.Diff(names, manifest.Manifests[0].Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// TestLayoutLeavesOthersAlone writes where something else is.
func TestLayoutLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	r, dir := join(t, "pelton.local/a:1", amd64), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{dir, filepath.Join(dir, "thesis.txt")} {
		if err := r.WriteLayout(place); !errors.Is(err, image.ErrOccupied) {
			t.Errorf("over %s: %v", place, err)
		}
	}
	if err := r.WriteLayout(filepath.Join(dir, "no", "such")); err == nil {
		t.Error("wrote into a folder that is not there")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := r.WriteLayout(t.TempDir()); err != nil {
		t.Errorf("into an empty folder: %v", err)
	}
}

// TestJoinRefuses what could not be told apart, or found again.
func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	make := func(name string, p v1.Platform) *image.Image {
		img, err := image.Build(image.Spec{Name: name, Platform: p})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	for want, images := range map[string][]*image.Image{
		"there are none":       nil,
		"two are for":          {make("pelton.local/a:1", amd64), make("pelton.local/a:1", amd64)},
		"have different names": {make("pelton.local/a:1", amd64), make("pelton.local/b:1", arm64)},
	} {
		if _, err := image.Join(images...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	err := join(t, "pelton.local/a:1", amd64, arm64).WriteFile(filepath.Join(t.TempDir(), "a.tar"))
	if err == nil || !strings.Contains(err.Error(), "OCI layout") {
		t.Errorf("an archive for two platforms: %v", err)
	}
}

// TestBasesThatAreNone says what was found.
func TestBasesThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		dir: "no file oci-layout", text: "docker save", "/dev/null": "want an OCI layout", "./gone": "no such file",
		filepath.Join(dir, "gone.tar"): "no such file",
	} {
		_, err := image.OpenBase(t.Context(), from, amd64, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), from) {
			t.Errorf("%s: want %q: %v", from, want, err)
		}
	}
	if img, err := image.OpenBase(t.Context(), image.Scratch, amd64, nil); img != nil || err != nil {
		t.Errorf("nothing: %v, %v", img, err)
	}
	archive := write(t, image.Spec{Name: "pelton.local/a:1"})
	_, err := image.OpenBase(t.Context(), archive, armv6, nil)
	if _, ok := errors.AsType[*image.PlatformError](err); !ok {
		t.Errorf("an archive for another platform: %v", err)
	}
}

func TestParsePlatforms(t *testing.T) {
	t.Parallel()
	got, err := image.ParsePlatforms([]string{"linux/amd64", "linux/arm64/v8", "linux/arm/v6"})
	want := []v1.Platform{amd64, {OS: "linux", Architecture: "arm64", Variant: "v8"}, armv6}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"amd64": "such as linux/amd64", "windows/amd64": "want linux/amd64", "linux/z80": "linux/amd64, linux/arm,",
		"linux/arm/v9": `"v7" "v6" "v5"`, "linux/386/v1": "no kind", "": "such as", "linux/amd64/v1/x": "such as",
	} {
		if _, err := image.ParsePlatforms([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q: %v", text, want, err)
		}
	}
	if _, err := image.ParsePlatforms([]string{"linux/amd64", "linux/amd64/v1"}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the same twice: %v", err)
	}
}

// TestStack starts what the upper image starts, in the lower one's world.
func TestStack(t *testing.T) {
	t.Parallel()
	lower := open(t, write(t, image.Spec{
		Name: "pelton.local/lower:1", Entrypoint: []string{"/bin/sh"}, Env: []string{"PATH=/usr/bin", "LANG=C"},
		Files: []image.File{{Path: "/bin/sh", Data: []byte("sh")}, {Path: "/bin/dash", Link: "sh"}}, WorkingDir: "/home",
	}))
	upper := open(t, write(t, image.Spec{
		Name: "pelton.local/upper:1", Entrypoint: []string{"/sidecar"}, Cmd: []string{"-v"}, Env: []string{"PATH=/", "NEW=1"},
		Files: []image.File{{Path: "/sidecar", Data: []byte("program")}},
	}))
	stacked, err := image.Stack(lower, upper)
	if err != nil {
		t.Fatal(err)
	}
	_, files, config := readBack(t, write(t, image.Spec{Name: "pelton.local/both:1", Base: stacked}))
	if files["bin/sh"].data != "sh" || files["sidecar"].data != "program" || files["bin/dash"].kind != '2' {
		t.Errorf("files: %v", files)
	}
	if diff := cmp.Diff(v1.Config{
		Entrypoint: []string{"/sidecar"}, Cmd: []string{"-v"}, Env: []string{"PATH=/usr/bin", "NEW=1", "LANG=C"}, WorkingDir: "/home",
	}, config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if _, err := image.Stack(nil, upper); err == nil {
		t.Error("stacked on nothing")
	}
}
