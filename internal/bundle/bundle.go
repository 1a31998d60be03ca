// Package bundle makes the image of a function: its program or its folder, on a base, started as its manifest says.
//
// It owns what goes into the image and what does not. It knows images and manifests; it knows no queue, no cluster and no
// terminal. It runs the manifest's build command, and ends it, with all that it has started, when its context ends.
package bundle

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/image"
)

// Dir is where the function's folder is in the image, and the working directory.
const Dir = "/app"

// nobody is the user that the image is run as: clusters may refuse images that would run as root.
const nobody = "65532:65532"

// MaxSize is how much the files of a function may be together, if Config does not say anything else.
const MaxSize = 512 << 20

// Config says how a function becomes an image.
type Config struct {
	// Name is the reference of the image with its host and tag. Required.
	Name string
	// Base is what the image is built on: a reference, the path of an OCI layout or an archive, or image.Scratch. Go functions
	// need none, and functions of protocol exec are built on Sidecar without one.
	Base string
	// Sidecar is the image of the sidecar, which starts functions of protocol exec from inside their own image.
	Sidecar string
	// Platforms are what it runs on. Default: image.Here.
	Platforms []v1.Platform
	// With are files and folders of the function's folder that go into the image, whatever else says that they do not.
	With []string
	// Puller gets bases from registries. Required where one is named by a reference.
	Puller image.Puller
	// Output is where the build command writes. Default: nowhere.
	Output io.Writer
	// MaxSize bounds the files. Default: MaxSize.
	MaxSize int64
}

// Error is why a function cannot become an image, and what to do about it.
type Error struct {
	Message string
	Cause   error // may be nil
	Hint    string
}

// Error is the message with its cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Build makes the image of a function for every platform. The same folder, manifest and bases give the same image.
func Build(ctx context.Context, fn *function.Function, cfg Config) (*image.Release, error) {
	cfg.MaxSize = cmp.Or(cfg.MaxSize, MaxSize)
	if len(cfg.Platforms) == 0 {
		cfg.Platforms = []v1.Platform{image.Here()}
	}
	b := &build{ctx: ctx, fn: fn, cfg: cfg}
	if err := b.check(); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "pelton-build-*")
	if err != nil {
		return nil, fmt.Errorf("make folder to build in: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	b.scratch = scratch
	if err := b.prepare(); err != nil {
		return nil, err
	}
	var images []*image.Image
	for i, platform := range cfg.Platforms {
		img, err := b.image(i, platform)
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	return image.Join(images...)
}

// build is one call of Build.
type build struct {
	ctx     context.Context // a build lasts as long as one call
	fn      *function.Function
	cfg     Config
	scratch string       // a folder for what is made on the way
	files   []image.File // what is the same on every platform
}

// isGo reports whether the manifest's build command is one that can compile for any platform.
func (b *build) isGo() bool {
	command := b.fn.Spec.Handler.Build
	return len(command) > 1 && filepath.Base(command[0]) == "go" && command[1] == "build"
}

func (b *build) isExec() bool { return b.fn.Spec.Handler.Protocol == function.ProtocolExec }

// prepare builds and gathers what is the same on every platform. Of a Go function that is nothing, unless it is asked for.
func (b *build) prepare() (err error) {
	if !b.isGo() {
		if err := b.runBuild(); err != nil {
			return err
		}
	}
	b.files, err = b.gather()
	return err
}

// image makes the image of one platform.
func (b *build) image(n int, platform v1.Platform) (*image.Image, error) {
	base, err := b.base(platform)
	if err != nil {
		return nil, err
	}
	files := b.files
	if b.isGo() {
		program, err := b.goBuild(platform, filepath.Join(b.scratch, fmt.Sprint(n)))
		if err != nil {
			return nil, err
		}
		files = append([]image.File{program}, files...)
	}
	if err := b.startable(files, base == nil); err != nil {
		return nil, err
	}
	if base == nil {
		files = append([]image.File{{Path: "/tmp", Mode: os.ModeDir | os.ModeSticky | 0o777}}, files...)
	}
	spec := image.Spec{
		Name: b.cfg.Name, Base: base, Platform: platform, Files: files, User: nobody, WorkingDir: Dir,
		Labels: map[string]string{
			"dev.pelton.function": b.fn.Metadata.Name, "dev.pelton.protocol": string(b.fn.Spec.Handler.Protocol),
		},
	}
	if !b.isExec() { // the sidecar stays what is started
		spec.Entrypoint = b.fn.Spec.Handler.Command
	}
	return image.Build(spec)
}

// program is the path, below the function's folder, of the program that the command names; "" if it is not in there.
func (b *build) program() string {
	name := b.fn.Spec.Handler.Command[0]
	if !strings.Contains(name, "/") || filepath.IsAbs(name) || !filepath.IsLocal(name) {
		return ""
	}
	return path.Clean(name)
}

// startable finds commands that could only fail, and says so before anybody has pushed the image.
func (b *build) startable(files []image.File, scratch bool) error {
	program := b.program()
	if program == "" && !scratch {
		return nil // the base's
	}
	for _, file := range files {
		if program != "" && file.Path == path.Join(Dir, program) {
			return nil
		}
	}
	command := b.fn.Spec.Handler.Command[0]
	if program == "" {
		return b.baseless(fmt.Sprintf("handler.command starts %s, which an empty base does not have", command))
	}
	return &Error{
		Message: fmt.Sprintf("handler.command starts %s, which would not be in the image", command),
		Hint:    "check that handler.build makes it in " + b.fn.Origin.Dir + " and that " + ignoreFile + " does not name it",
	}
}
