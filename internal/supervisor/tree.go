package supervisor

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// The size of a tree that is watched. A function in the root of a home directory must not use up the kernel's watches.
const (
	maxTreeDirs  = 2000
	maxTreeFiles = 50_000
)

// tree is a set of watched directories and the files that were seen in them. One goroutine uses it.
type tree struct {
	fs    *fsnotify.Watcher
	dirs  map[string]bool
	files map[string]bool
	full  bool // the limits were hit
}

// add watches dir and everything below it, and returns the files it had not seen before.
func (t *tree) add(dir string) (seen []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // it vanished, or is not for us
		case path != dir && ignored(entry.Name()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return t.addDir(path)
		case !t.files[path] && len(t.files) < maxTreeFiles:
			t.files[path] = true
			seen = append(seen, path)
		}
		return nil
	})
	return seen, err
}

// addDir watches one directory.
func (t *tree) addDir(path string) error {
	if t.dirs[path] {
		return nil
	}
	if len(t.dirs) >= maxTreeDirs {
		t.full = true
		return fs.SkipDir
	}
	if err := t.fs.Add(path); err != nil {
		if os.IsNotExist(err) {
			return fs.SkipDir
		}
		return fmt.Errorf("watch %s: %w", path, err)
	}
	t.dirs[path] = true
	return nil
}

// remove forgets a path that is gone, and what was below it if it was a directory.
func (t *tree) remove(path string) {
	delete(t.files, path)
	if !t.dirs[path] {
		return
	}
	for dir := range t.dirs {
		if within(dir, path) {
			delete(t.dirs, dir)
			_ = t.fs.Remove(dir)
		}
	}
}

// ignored reports whether a name is never looked at: hidden, a cache, or an editor's scratch file. .env is a source.
func ignored(name string) bool {
	switch name {
	case "node_modules", "__pycache__", "4913":
		return true
	case ".env":
		return false
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") {
		return true
	}
	for _, suffix := range []string{"~", ".swp", ".swx", ".tmp", ".part"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
