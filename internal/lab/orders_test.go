package lab

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLoadedLibraries(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"\tlinux-vdso.so.1 (0x00007f)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n": {
			"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2",
		},
		"\tnot a dynamic executable\n":                 nil,
		"\tstatically linked\n":                        nil,
		"\tlibgone.so.1 => not found\n":                nil,
		"/usr/lib/a.so:\n\tlibm.so.6 => /m.so (0x1)\n": {"/m.so"},
	} {
		if have := loaded(text); !slices.Equal(have, want) {
			t.Errorf("ldd %q loads %v, want %v", text, have, want)
		}
	}
}

func TestFilesBelow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a.py", "sub/b.py", "sub/__pycache__/b.pyc"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	files, err := filesBelow(dir, "/app", "__pycache__")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
		if f.Mode.Perm()&0o444 != 0o444 {
			t.Errorf("%s has mode %v: nobody can read it", f.Path, f.Mode)
		}
	}
	if want := []string{"/app/a.py", "/app/sub/b.py"}; !slices.Equal(paths, want) {
		t.Errorf("files are %v, want %v", paths, want)
	}
	if _, err := filesBelow(filepath.Join(dir, "none"), "/app"); err == nil {
		t.Error("a folder that is not there is no error")
	}
}
