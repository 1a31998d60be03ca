package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelton-dev/pelton/internal/image"
)

// maxFiles is how many files a function may have: more is a folder that was named by mistake.
const maxFiles = 100_000

// gathering collects the files of a folder for an image.
type gathering struct {
	root    string // with no link in it
	ignored []pattern
	max     int64

	files    []image.File
	seen     map[string]bool
	size     int64
	problems []error
}

// gather lists the files that go into the image on every platform: all of the folder, or of a Go function only what is asked
// for with --with.
func (b *build) gather() ([]image.File, error) {
	root, err := filepath.EvalSymlinks(b.fn.Origin.Dir)
	if err != nil {
		return nil, fmt.Errorf("read folder of function %s: %w", b.fn.Key(), err)
	}
	g := &gathering{root: root, max: b.cfg.MaxSize, seen: map[string]bool{}}
	if g.ignored, err = readIgnore(root); err != nil {
		return nil, err
	}
	if !b.isGo() {
		if err := g.walk(root, g.leftOut); err != nil {
			return nil, err
		}
	}
	for _, name := range b.cfg.With {
		if err := g.with(name); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(g.problems...); err != nil {
		return nil, &Error{
			Message: fmt.Sprintf("not everything in %s can go into an image", root), Cause: err,
			Hint: "mend it, or name it in " + ignoreFile,
		}
	}
	return g.files, nil
}

// with adds what was asked for by name, whatever its name is.
func (g *gathering) with(name string) error {
	if !filepath.IsLocal(name) {
		return &Error{Message: fmt.Sprintf("--with %s is not below %s", name, g.root), Hint: "give a path relative to that folder"}
	}
	if _, err := os.Lstat(filepath.Join(g.root, name)); err != nil {
		return &Error{Message: "--with " + name, Cause: err, Hint: "give a path relative to " + g.root}
	}
	return g.walk(filepath.Join(g.root, name), func(string, fs.DirEntry) bool { return false })
}

// walk adds a file, or a folder with all below it that is not left out.
func (g *gathering) walk(from string, leftOut func(name string, entry fs.DirEntry) bool) error {
	return filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			g.problems = append(g.problems, err)
			return nil
		}
		rel, err := filepath.Rel(g.root, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if name == "." || g.seen[name] {
			return nil
		}
		if leftOut(name, entry) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		g.seen[name] = true
		return g.add(name, file, entry)
	})
}

// add notes one file. What it cannot take it notes as a problem, so that all are told at once.
func (g *gathering) add(name, file string, entry fs.DirEntry) error {
	target := path.Join(Dir, name)
	info, err := entry.Info()
	switch {
	case err != nil:
		g.problems = append(g.problems, err)
	case entry.IsDir():
		g.files = append(g.files, image.File{Path: target, Mode: fs.ModeDir | 0o755})
	case entry.Type() == fs.ModeSymlink:
		g.addLink(target, file)
	case !entry.Type().IsRegular():
		g.problems = append(g.problems, fmt.Errorf("%s is %s, not a file", file, kindOf(entry.Type())))
	default:
		return g.addFile(target, file, info)
	}
	return nil
}

func (g *gathering) addFile(target, file string, info fs.FileInfo) error {
	if g.size += info.Size(); g.size > g.max || len(g.files) >= maxFiles {
		return &Error{
			Message: fmt.Sprintf("the files in %s are more than %d MiB or %d: %s is one too much", g.root, g.max>>20, maxFiles, file),
			Hint:    "name what the function does not need in " + ignoreFile + ", or put it into the base",
		}
	}
	opened, err := os.Open(file) // better now than in the middle of the layer, and with all others
	if err != nil {
		g.problems = append(g.problems, err)
		return nil
	}
	_ = opened.Close()
	mode := fs.FileMode(0o644)
	if info.Mode().Perm()&0o111 != 0 {
		mode = 0o755
	}
	g.files = append(g.files, image.File{Path: target, Source: file, Mode: mode})
	return nil
}

// addLink keeps links that lead to something in the folder: they lead there in the image too.
func (g *gathering) addLink(target, file string) {
	link, err := os.Readlink(file)
	if err != nil {
		g.problems = append(g.problems, err)
		return
	}
	end, err := filepath.EvalSymlinks(file)
	switch {
	case err != nil:
		g.problems = append(g.problems, fmt.Errorf("%s is a link to %s, which is not there", file, link))
	case filepath.IsAbs(link) || !inside(g.root, filepath.Join(filepath.Dir(file), link)) || !inside(g.root, end):
		g.problems = append(g.problems, fmt.Errorf("%s is a link to %s, outside of the folder: copy it into the folder", file, link))
	default:
		g.files = append(g.files, image.File{Path: target, Link: link})
	}
}

func inside(root, file string) bool {
	rel, err := filepath.Rel(root, file)
	return err == nil && filepath.IsLocal(rel)
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	default:
		return "a device"
	}
}

// leftOut reports whether a name does not go into images: the manifest, which says what the image is called; what is hidden,
// .env with its secrets above all; what editors and interpreters leave behind; and what the function's own list names. What
// packages have brought along is theirs, and all needed.
func (g *gathering) leftOut(name string, entry fs.DirEntry) bool {
	for _, p := range g.ignored {
		if p.matches(name, entry.IsDir()) {
			return true
		}
	}
	if slices.Contains(strings.Split(path.Dir(name), "/"), "node_modules") {
		return false
	}
	base := path.Base(name)
	if base == "__pycache__" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "#") {
		return true
	}
	for _, suffix := range []string{"~", ".swp", ".swx", ".tmp", ".part"} {
		if strings.HasSuffix(base, suffix) {
			return true
		}
	}
	return !entry.IsDir() && isManifest(base)
}

// isManifest is the rule by which manifests are found in folders.
func isManifest(base string) bool {
	stem := strings.TrimSuffix(strings.TrimSuffix(base, ".yaml"), ".yml")
	return stem != base && (stem == "function" || strings.HasSuffix(stem, ".function"))
}
