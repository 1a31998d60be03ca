// Package image makes container images without Docker: files on top of an empty image or of a base archive, written as an
// archive that `ctr images import` and `docker load` take.
//
// The same Spec and files give the same bytes: times are fixed and entries sorted. It knows no registry and nothing of
// Pelton. It runs nothing and holds no file open after it returns.
package image

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Spec is what an image consists of. What is empty is the base's, or nothing.
type Spec struct {
	// Name is the reference with its tag, such as "example.com/hello:1". Required.
	Name string
	// Base is the path of an image archive to build on; "" begins with nothing.
	Base string
	// Files become one layer on top.
	Files []File

	Entrypoint []string
	// Cmd are default arguments. A new Entrypoint drops the base's Cmd, as Docker does.
	Cmd []string
	// Env are variables NAME=VALUE. They replace the base's variables of the same name.
	Env []string
	// User is a user id, or a name that the image's /etc/passwd has.
	User       string
	WorkingDir string
	Labels     map[string]string
	// Architecture is Go's name for it, such as "amd64". Default: this machine's. With a Base it must be the base's or empty.
	Architecture string
}

// File is one file or directory of an image. Directories above it are made with mode 0755.
type File struct {
	// Path is where it is in the image.
	Path string
	// Source is the file it is copied from; otherwise Data is the content.
	Source string
	Data   []byte
	// Mode is its mode, with fs.ModeDir for a directory. Default: the source's permissions, or 0644.
	Mode fs.FileMode
}

// Image is a built image and its name.
type Image struct {
	v1.Image
	tag name.Tag
}

// epoch is the time of everything in an image: a real one would make every build another image.
var epoch = time.Unix(0, 0).UTC()

// Build makes the image of a spec in memory. An error names the file or field that is wrong.
func Build(spec Spec) (*Image, error) {
	tag, err := name.NewTag(spec.Name, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("build image %q: want a name with host and tag, such as example.com/hello:1: %w", spec.Name, err)
	}
	built, err := build(spec)
	if err != nil {
		return nil, fmt.Errorf("build image %s: %w", spec.Name, err)
	}
	return &Image{Image: built, tag: tag}, nil
}

func build(spec Spec) (v1.Image, error) {
	img, err := begin(spec.Base)
	if err != nil {
		return nil, err
	}
	if len(spec.Files) > 0 {
		layer, err := newLayer(spec.Files)
		if err != nil {
			return nil, err
		}
		history := v1.History{CreatedBy: "pelton", Created: v1.Time{Time: epoch}}
		if img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: history}); err != nil {
			return nil, fmt.Errorf("append layer: %w", err)
		}
	}
	return configure(img, spec)
}

func begin(base string) (v1.Image, error) {
	if base == "" {
		return empty.Image, nil
	}
	img, err := tarball.ImageFromPath(base, nil)
	if err != nil {
		return nil, fmt.Errorf("read base %s: %w", base, err)
	}
	return img, nil
}

// configure writes the spec's settings over those of the base.
func configure(img v1.Image, spec Spec) (v1.Image, error) {
	old, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read image config: %w", err)
	}
	file := old.DeepCopy()
	if err := platform(file, spec); err != nil {
		return nil, err
	}
	c := &file.Config
	if spec.Entrypoint != nil {
		c.Entrypoint, c.Cmd = slices.Clone(spec.Entrypoint), nil
	}
	if spec.Cmd != nil {
		c.Cmd = slices.Clone(spec.Cmd)
	}
	if c.Env, err = environment(c.Env, spec.Env); err != nil {
		return nil, err
	}
	c.User, c.WorkingDir = cmp.Or(spec.User, c.User), cmp.Or(spec.WorkingDir, c.WorkingDir)
	if len(spec.Labels) > 0 {
		labels := maps.Clone(spec.Labels)
		for key, value := range c.Labels {
			if _, ours := labels[key]; !ours {
				labels[key] = value
			}
		}
		c.Labels = labels
	}
	file.Created = v1.Time{Time: epoch}
	out, err := mutate.ConfigFile(img, file)
	if err != nil {
		return nil, fmt.Errorf("write image config: %w", err)
	}
	return out, nil
}

// platform sets what the image runs on. Files for another processor on a base would only fail when the image starts.
func platform(file *v1.ConfigFile, spec Spec) error {
	if spec.Base == "" {
		file.OS, file.Architecture = "linux", cmp.Or(spec.Architecture, runtime.GOARCH)
		return nil
	}
	if spec.Architecture != "" && file.Architecture != "" && file.Architecture != spec.Architecture {
		return fmt.Errorf("base %s is for %s, want %s", spec.Base, file.Architecture, spec.Architecture)
	}
	return nil
}

// environment returns the base's variables with ours over them, in the order in which each was first named.
func environment(base, ours []string) ([]string, error) {
	out := slices.Clone(base)
	for _, variable := range ours {
		key, _, found := strings.Cut(variable, "=")
		if !found || key == "" {
			return nil, fmt.Errorf("env %q: want NAME=VALUE", variable)
		}
		same := func(v string) bool { return strings.HasPrefix(v, key+"=") }
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i] = variable
		} else {
			out = append(out, variable)
		}
	}
	return out, nil
}

// WriteFile writes the archive. The file appears whole or not at all.
func (i *Image) WriteFile(path string) error {
	if err := i.writeFile(path); err != nil {
		return fmt.Errorf("write image %s: %w", i.tag, err)
	}
	return nil
}

func (i *Image) writeFile(path string) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // is gone by then if all went well
	err = tarball.Write(i.tag, i.Image, file)
	if err := errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
