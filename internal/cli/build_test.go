package cli

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pelton-dev/pelton/internal/image"
)

// TestBuildScripts runs pelton build with a real go command, real archives and a real registry on loopback.
func TestBuildScripts(t *testing.T) {
	t.Parallel()
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/build",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "usestate": useState, "unpack": unpack, "base": makeBase, "registry": startRegistry,
			"login": login,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("REPO", repo)
			return keepGoCaches(env)
		},
	})
}

// unpack IMAGE FOLDER writes the files of an archive or a layout as a container would see them.
func unpack(ts *testscript.TestScript, _ bool, args []string) {
	img, err := image.OpenBase(context.Background(), ts.MkAbs(args[0]), image.Here(), nil)
	ts.Check(err)
	content := mutate.Extract(img)
	defer content.Close()
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ts.Check(err)
		if header.Typeflag != tar.TypeReg {
			continue
		}
		path := filepath.Join(ts.MkAbs(args[1]), filepath.FromSlash(header.Name))
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		data, err := io.ReadAll(archive)
		ts.Check(err)
		ts.Check(os.WriteFile(path, data, header.FileInfo().Mode()))
	}
}

// base ARCHIVE PROGRAM makes a base that has a program of this machine, and nothing that it may need.
func makeBase(ts *testscript.TestScript, _ bool, args []string) {
	img, err := image.Build(image.Spec{
		Name: "pelton.local/base:1", Entrypoint: []string{args[1]}, Env: []string{"PATH=/bin"},
		Files: []image.File{{Path: args[1], Data: []byte("#!/bin/false\n"), Mode: 0o755}},
	})
	ts.Check(err)
	ts.Check(img.WriteFile(ts.MkAbs(args[0])))
}

// registry [USER PASSWORD] starts a registry and sets REGISTRY to its host. With a user it lets only that one in.
func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	open := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, known := r.BasicAuth()
		switch {
		case len(args) == 0 || user == args[0] && password == args[1]:
			open.ServeHTTP(w, r)
		case known && user == "guest":
			http.Error(w, `{"errors":[{"code":"DENIED","message":"guests read"}]}`, http.StatusForbidden)
		default:
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	ts.Defer(srv.Close)
	ts.Setenv("REGISTRY", strings.TrimPrefix(srv.URL, "http://"))
}

// login HOST USER writes what `docker login` would, with the password "secret".
func login(ts *testscript.TestScript, _ bool, args []string) {
	auth := base64.StdEncoding.EncodeToString([]byte(args[1] + ":secret"))
	dir := ts.MkAbs(".docker")
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{"`+args[0]+`":{"auth":"`+auth+`"}}}`), 0o600))
}
