package lab

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelton-dev/pelton/internal/image"
)

// Images of the order pipeline (functions/examples/orders): Python, Node, and a shell script in the image of the sidecar.
const (
	ValidateImage = registry + "orders-validate:dev"
	ChargeImage   = registry + "orders-charge:dev"
	NotifyImage   = registry + "orders-notify:dev"
)

const orders = "functions/examples/orders"

// LoadOrders makes and loads the images of the order pipeline. No image can be pulled here to build them on, so they have the
// interpreters of this machine, and what these load.
func (c *Cluster) LoadOrders(ctx context.Context) error {
	if err := c.findRepository(); err != nil {
		return err
	}
	for _, load := range []func(context.Context) error{c.loadValidate, c.loadCharge, c.loadNotify} {
		if err := load(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) loadValidate(ctx context.Context) error {
	out, err := output(exec.CommandContext(ctx, "python3", "-S", "-c",
		"import sys, sysconfig; print(sys.executable); print(sysconfig.get_path('stdlib'))"))
	if err != nil {
		return fmt.Errorf("build image %s: ask Python for its library: %w", ValidateImage, err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 2 {
		return fmt.Errorf("build image %s: Python says %q, want the path of itself and of its library", ValidateImage, out)
	}
	library, err := filesBelow(lines[1], lines[1], "__pycache__", "test", "site-packages", "dist-packages", "ensurepip", "idlelib")
	if err != nil {
		return fmt.Errorf("build image %s: %w", ValidateImage, err)
	}
	return c.loadScript(ctx, ValidateImage, "validate", nil, map[string]string{"/usr/bin/python3": lines[0]}, library)
}

func (c *Cluster) loadCharge(ctx context.Context) error {
	node, err := exec.LookPath("node")
	if err != nil {
		return fmt.Errorf("build image %s: %w", ChargeImage, err)
	}
	return c.loadScript(ctx, ChargeImage, "charge", nil, map[string]string{"/usr/bin/node": node}, nil)
}

// loadNotify starts the sidecar, which starts the script for each event.
func (c *Cluster) loadNotify(ctx context.Context) error {
	sidecar, err := c.buildProgram(ctx, SidecarImage, "cmd/pelton-sidecar")
	if err != nil {
		return fmt.Errorf("build image %s: %w", NotifyImage, err)
	}
	const entry = "/pelton-sidecar"
	programs := map[string]string{"/bin/sh": "/bin/sh", "/bin/cat": "/bin/cat", "/bin/date": "/bin/date"}
	return c.loadScript(ctx, NotifyImage, "notify", []string{entry}, programs, []image.File{{Path: entry, Source: sidecar, Mode: 0o755}})
}

// loadScript makes an image of an example's folder, of programs of this machine by their paths in the image, and of more files.
func (c *Cluster) loadScript(ctx context.Context, name, dir string, entrypoint []string, programs map[string]string,
	files []image.File,
) error {
	folder, err := filesBelow(filepath.Join(c.repo, orders, dir), "/app", "__pycache__")
	if err != nil {
		return fmt.Errorf("build image %s: %w", name, err)
	}
	files = append(slices.Concat(files, folder), tmp)
	for path, source := range programs {
		files = append(files, image.File{Path: path, Source: source, Mode: 0o755})
	}
	libraries, err := librariesOf(ctx, files)
	if err != nil {
		return fmt.Errorf("build image %s: %w", name, err)
	}
	_, err = c.load(ctx, image.Spec{
		Name: name, Entrypoint: entrypoint, User: nobody, WorkingDir: "/app", Files: slices.Concat(files, libraries),
	})
	return err
}

// filesBelow returns the files of a folder as files of an image, but for folders of some names.
func filesBelow(dir, target string, without ...string) (files []image.File, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(without, entry.Name()):
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		}
		info, err := os.Stat(path) // what a link points to
		if err != nil || !info.Mode().IsRegular() {
			return nil //nolint:nilerr // a link to nothing is nothing anybody needs
		}
		files = append(files, image.File{Path: filepath.Join(target, strings.TrimPrefix(path, dir)), Source: path, Mode: info.Mode().Perm() | 0o444})
		return nil
	})
	return files, err
}

// librariesOf returns what the programs and libraries among files load, at the places where they look for it.
func librariesOf(ctx context.Context, files []image.File) (libraries []image.File, err error) {
	seen := map[string]bool{}
	for _, f := range files {
		if f.Mode.Perm()&0o111 == 0 && filepath.Ext(f.Source) != ".so" || f.Source == "" {
			continue
		}
		out, err := exec.CommandContext(ctx, "ldd", f.Source).Output()
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		for _, path := range loaded(string(out)) { // nothing, for a script or what loads nothing
			if !seen[path] {
				seen[path] = true
				libraries = append(libraries, image.File{Path: path, Source: path, Mode: 0o755})
			}
		}
	}
	return libraries, nil
}

// loaded reads the paths from what ldd says.
func loaded(text string) (paths []string) {
	for line := range strings.Lines(text) {
		for _, field := range strings.Fields(line) {
			if strings.HasPrefix(field, "/") && !strings.HasSuffix(field, ":") {
				paths = append(paths, field)
				break
			}
		}
	}
	return paths
}
