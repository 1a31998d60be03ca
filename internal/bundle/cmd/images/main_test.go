package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/pelton-dev/pelton/internal/image"
	ours "github.com/pelton-dev/pelton/internal/image/registry"
)

// inRepository leads to the root: packages are named from there. Tests that use it cannot run side by side.
func inRepository(t *testing.T) {
	t.Helper()
	t.Chdir("../../../..")
}

// TestArchives makes the image of an example, twice, and looks into it.
func TestArchives(t *testing.T) {
	inRepository(t)
	var first string
	for i := range 2 {
		out := filepath.Join(t.TempDir(), "images")
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), []string{"-out", out, "functions/examples/hello"}, &stdout, &stderr); err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		if i == 0 {
			first = stdout.String()
		}
		if stdout.String() != first || !strings.HasPrefix(first, "pelton.local/hello:dev@sha256:") {
			t.Errorf("it printed %q, and at first %q", stdout.String(), first)
		}
		img, err := image.OpenBase(t.Context(), filepath.Join(out, "hello.tar"), image.Here(), nil)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil || !slices.Equal(config.Config.Entrypoint, []string{"/app/hello"}) || config.Config.User != "65532:65532" {
			t.Errorf("config %+v, %v", config, err)
		}
		found, err := image.HasFile(img, func(name string) bool { return name == "app/hello" })
		if err != nil || !found {
			t.Errorf("the program is not there: %v", err)
		}
	}
}

// TestPush writes to a registry and to no file.
func TestPush(t *testing.T) {
	inRepository(t)
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer srv.Close()
	host, out := strings.TrimPrefix(srv.URL, "http://"), filepath.Join(t.TempDir(), "out")
	args := []string{"-registry", host + "/me", "-tag", "1", "-push", "-out", out, "./functions/examples/hello"}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.New(ours.Config{}).Image(t.Context(), host+"/me/hello:1", image.Here()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("files were written as well")
	}
}

// TestPrograms finds every program of the repository.
func TestPrograms(t *testing.T) {
	inRepository(t)
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"cmd/pelton", "cmd/pelton-sidecar", "cmd/pelton-scaler", "cmd/pelton-controller", "functions/examples/hello",
	} {
		if !slices.Contains(o.packages, want) {
			t.Errorf("%s is missing: %v", want, o.packages)
		}
	}
}

// TestMistakes are told before anything is compiled, or in the compiler's words.
func TestMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		"images are for linux":       {"-platform", "darwin/arm64"},
		"flag provided but not":      {"-nonsense"},
		"compile for linux":          {"-out", t.TempDir(), "no/such/package"},
		"in the root of the reposit": nil,
	} {
		err := run(t.Context(), args, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q: %v", args, want, err)
		}
	}
}
