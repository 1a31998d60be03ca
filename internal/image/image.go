// Package image makes container images without Docker: files on top of an empty image or of a base, for one platform or
// several, written as an archive that `ctr images import` and `docker load` take, as an OCI layout, or to a registry.
//
// The same Spec and files give the same bytes: times are fixed, owners too, and entries sorted. It knows nothing of Pelton.
// It runs nothing and holds no file open after it returns.
package image

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Spec is what an image consists of. What is empty is the base's, or nothing.
type Spec struct {
	// Name is the reference with its tag, such as "example.com/hello:1". Required.
	Name string
	// Base is the image to build on; nil begins with nothing.
	Base v1.Image
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
	// Platform is what the image runs on, such as linux/amd64. Default: the base's, or linux on this machine's processor.
	// With a Base it must be the base's or empty.
	Platform v1.Platform
}

// File is one file or directory of an image. Directories above it are made with mode 0755.
type File struct {
	// Path is where it is in the image.
	Path string
	// Source is the file it is copied from; otherwise Data is the content.
	Source string
	Data   []byte
	// Link makes it a symbolic link to this; it has neither source nor data then.
	Link string
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
	tag, err := parseName(spec.Name)
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	built, err := build(spec)
	if err != nil {
		return nil, fmt.Errorf("build image %s: %w", spec.Name, err)
	}
	return &Image{Image: built, tag: tag}, nil
}

func build(spec Spec) (v1.Image, error) {
	img := spec.Base
	if img == nil {
		img = scratch()
	}
	if len(spec.Files) > 0 {
		layer, err := newLayer(spec.Files, layerType(img))
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

// scratch is an image with nothing in it.
func scratch() v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
}

// layerType is the type that a layer on top of an image has: some registries refuse Docker's and OCI's in one manifest.
func layerType(img v1.Image) types.MediaType {
	if mediaType, err := img.MediaType(); err == nil && mediaType == types.DockerManifestSchema2 {
		return types.DockerLayer
	}
	return types.OCILayer
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
	if spec.Base == nil {
		file.OS = cmp.Or(spec.Platform.OS, "linux")
		file.Architecture = cmp.Or(spec.Platform.Architecture, runtime.GOARCH)
		file.Variant = spec.Platform.Variant
		return nil
	}
	have := v1.Platform{OS: file.OS, Architecture: file.Architecture, Variant: file.Variant}
	if want := spec.Platform; want.Architecture != "" && have.Architecture != "" && !suits(have, want) {
		return fmt.Errorf("the base is for %s, want %s", have, want)
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

// CheckName reports what is wrong with the name of an image.
func CheckName(reference string) error {
	_, err := parseName(reference)
	return err
}

func parseName(reference string) (name.Tag, error) {
	tag, err := name.NewTag(reference, name.StrictValidation)
	if err != nil {
		return tag, fmt.Errorf("image %q: want a name with host and tag, such as example.com/hello:1: %w", reference, err)
	}
	return tag, nil
}
