package natsauth_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/natsauth"
)

// TestFolder writes keys, reads them, adds an account, and renews a signing key. Nothing that should stay changes, and nobody
// else can read any of it.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := natsauth.Open(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open nothing: %v", err)
	}
	o, err := natsauth.NewOperator("mine", "a")
	if err != nil {
		t.Fatal(err)
	}
	before := save(t, o, dir)
	for path := range before {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	again, err := natsauth.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(o, again); diff != "" {
		t.Errorf("read back otherwise:\n%s", diff)
	}
	if diff := cmp.Diff(before, save(t, again, dir)); diff != "" {
		t.Errorf("written again otherwise:\n%s", diff)
	}
	if err := again.AddAccount("b"); err != nil {
		t.Fatal(err)
	}
	more := save(t, again, dir)
	for path, content := range before {
		if path != natsauth.ConfigFile && more[path] != content {
			t.Errorf("%s has changed with a new account", path)
		}
	}
	if !strings.Contains(more[natsauth.ConfigFile], again.Accounts[1].PublicKey) || more["b/"+natsauth.SigningFile] == "" {
		t.Errorf("files of account b are missing")
	}
	if err := again.Renew("a"); err != nil {
		t.Fatal(err)
	}
	renewed := save(t, again, dir)
	for _, name := range []string{natsauth.SigningFile, natsauth.ControllerFile, natsauth.ScalerFile, natsauth.BridgeFile, natsauth.AdminFile} {
		if renewed["a/"+name] == more["a/"+name] {
			t.Errorf("a/%s is that of the old signing key", name)
		}
		if renewed["b/"+name] != more["b/"+name] {
			t.Errorf("b/%s has changed with a key of a", name)
		}
	}
	if err := again.AddAccount("b"); err == nil {
		t.Error("an account was added twice")
	}
}

func save(t *testing.T, o *natsauth.Operator, dir string) map[string]string {
	t.Helper()
	if err := o.Save(dir); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestBrokenFolders names the file that is missing or wrong.
func TestBrokenFolders(t *testing.T) {
	t.Parallel()
	for file, content := range map[string]string{
		"operator.jwt": "x", "a/account.seed": "x", "a/signing.seed": "", "a/account.jwt": "", "SYS": "",
	} {
		o, err := natsauth.NewOperator("mine", "a")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		save(t, o, dir)
		path := filepath.Join(dir, file)
		if content == "" {
			err = os.RemoveAll(path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := natsauth.Open(dir); err == nil || !strings.Contains(err.Error(), filepath.Base(file)) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
