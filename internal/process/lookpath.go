package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotFound says that a program does not exist. The message of the error that wraps it says where was looked.
var ErrNotFound = errors.New("program not found")

// LookPath finds the file that a command's first word names, once, so that starts need no search: a name with a slash is
// relative to dir, a bare name is searched in the PATH of env. Shims of version managers are followed to the real program:
// a pyenv shim adds 70 ms to each start.
func LookPath(name, dir string, env []string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return lookFile(name, dir)
	}
	for _, d := range filepath.SplitList(pathOf(env)) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		file := filepath.Join(d, name)
		if executable(file) == nil {
			return unshim(file, dir, env), nil
		}
	}
	return "", fmt.Errorf("start %q: %w in $PATH", name, ErrNotFound)
}

// lookFile resolves a name with a slash.
func lookFile(name, dir string) (string, error) {
	file := name
	if !filepath.IsAbs(file) {
		abs, err := filepath.Abs(filepath.Join(dir, file))
		if err != nil {
			return "", fmt.Errorf("start %q: %w", name, err)
		}
		file = abs
	}
	switch err := executable(file); {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("start %q: %w: %s does not exist", name, ErrNotFound, file)
	case err != nil:
		return "", fmt.Errorf("start %q: %s: %w", name, file, err)
	}
	return file, nil
}

// executable returns nil if file is a regular file with an execute bit.
func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("is a directory")
	case info.Mode()&0o111 == 0:
		return errors.New("is not executable (chmod +x)")
	}
	return nil
}

// pathOf returns the last PATH of env.
func pathOf(env []string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], "PATH="); ok {
			return v
		}
	}
	return ""
}

// shimPatience bounds a version manager's answer.
const shimPatience = 5 * time.Second

// unshim asks the version manager that owns a shim for the program behind it. Whatever goes wrong, the shim still works.
func unshim(file, dir string, env []string) string {
	if filepath.Base(filepath.Dir(file)) != "shims" {
		return file
	}
	root := filepath.Dir(filepath.Dir(file))
	for _, manager := range []string{"pyenv", "nodenv", "rbenv", "asdf", "mise"} {
		if !strings.Contains(filepath.Base(root), manager) {
			continue
		}
		program := managerProgram(root, manager)
		if real := ask([]string{program, "which", filepath.Base(file)}, dir, env); executable(real) == nil {
			return real
		}
	}
	return file
}

// ask returns what a command prints, empty if it fails.
func ask(command []string, dir string, env []string) string {
	var out strings.Builder
	p, err := Start(Config{Command: command, Dir: dir, Env: env, Stdout: &out})
	if err != nil {
		return ""
	}
	timer := time.AfterFunc(shimPatience, p.Kill)
	defer timer.Stop()
	if p.Exit().Code != 0 {
		return ""
	}
	return strings.TrimSpace(out.String())
}

// managerProgram prefers the manager that lies beside its shims.
func managerProgram(root, manager string) string {
	if own := filepath.Join(root, "bin", manager); executable(own) == nil {
		return own
	}
	return manager
}
