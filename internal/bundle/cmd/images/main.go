// Command images makes the images of Pelton's own programs, and of the examples that are written in Go, without Docker: each is
// one static program on nothing.
//
//	go run ./internal/bundle/cmd/images                                  # bin/images/pelton-scaler.tar and so on
//	go run ./internal/bundle/cmd/images -registry r.example.com/me -push
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pelton-dev/pelton/internal/image"
	"github.com/pelton-dev/pelton/internal/image/registry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	registry, tag, out string
	platforms          []v1.Platform
	push               bool
	packages           []string // folders of the repository
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "pelton-images-*")
	if err != nil {
		return fmt.Errorf("make folder to build in: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	for _, p := range o.platforms {
		if err := compile(ctx, o.packages, p, folderOf(scratch, p), stderr); err != nil {
			return err
		}
	}
	client := registry.New(registry.Config{})
	for _, pkg := range o.packages {
		release, err := o.release(path.Base(pkg), scratch)
		if err != nil {
			return err
		}
		if o.push {
			err = release.Push(ctx, client)
		} else {
			err = o.write(release, path.Base(pkg))
		}
		if err != nil {
			return err
		}
		digest, err := release.Digest()
		if err != nil {
			return fmt.Errorf("read digest: %w", err)
		}
		fmt.Fprintf(stdout, "%s@%s\n", release.Name(), digest)
	}
	return nil
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var platforms string
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.registry, "registry", "pelton.local", "what the names of the images begin with")
	flags.StringVar(&o.tag, "tag", "dev", "their tag")
	flags.StringVar(&o.out, "out", "bin/images", "where to write NAME.tar; for several platforms NAME, an OCI layout")
	flags.StringVar(&platforms, "platform", image.Here().String(), "what they run on, such as linux/amd64,linux/arm64")
	flags.BoolVar(&o.push, "push", false, "write to the registry, with the login of docker or podman, and to no file")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.platforms, err = image.ParsePlatforms(strings.Split(platforms, ",")); err != nil {
		return o, err
	}
	if o.packages = flags.Args(); len(o.packages) == 0 {
		o.packages, err = programs()
	}
	return o, err
}

// programs are the folders of the repository that an image is made of.
func programs() ([]string, error) {
	var packages []string
	for _, pattern := range []string{"cmd/*/main.go", "functions/examples/*/main.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range found {
			packages = append(packages, path.Dir(filepath.ToSlash(file)))
		}
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("there is no cmd/*/main.go here: run it in the root of the repository")
	}
	return packages, nil
}

// release makes the image of one program for every platform.
func (o options) release(name, scratch string) (*image.Release, error) {
	var images []*image.Image
	for _, p := range o.platforms {
		target := "/app/" + name
		img, err := image.Build(image.Spec{
			Name: o.registry + "/" + name + ":" + o.tag, Platform: p, Entrypoint: []string{target}, User: "65532:65532", WorkingDir: "/",
			Files: []image.File{
				{Path: target, Source: filepath.Join(folderOf(scratch, p), name), Mode: 0o755},
				{Path: "/tmp", Mode: os.ModeDir | os.ModeSticky | 0o777},
			},
		})
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	return image.Join(images...)
}

// write writes an archive, which everything can load, or a layout where an archive has no place for all platforms.
func (o options) write(release *image.Release, name string) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if len(o.platforms) > 1 {
		return release.WriteLayout(filepath.Join(o.out, name))
	}
	return release.WriteFile(filepath.Join(o.out, name+".tar"))
}

func folderOf(scratch string, p v1.Platform) string {
	return filepath.Join(scratch, strings.ReplaceAll(p.String(), "/", "-"))
}
