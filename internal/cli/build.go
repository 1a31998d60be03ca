package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/bundle"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/image"
	"github.com/pelton-dev/pelton/internal/image/registry"
)

// buildOptions are the flags of build.
type buildOptions struct {
	tag, base, sidecar string
	platforms          []string
	with, to           []string
	push, update       bool
}

func (a *app) buildCommand() *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build [FUNCTION]",
		Short: "Make the image of a function, without Docker",
		Long: "Make the container image of a function: a folder with its manifest, the manifest, or a function's name below this\n" +
			"folder (default: this folder).\n\n" +
			"Go functions, whose handler.build is `go build`, are compiled for each platform and need no base. Other functions are\n" +
			"their folder in /app on a base: the reference of an image, an OCI layout, an archive of `docker save`, or scratch.\n" +
			"Functions of protocol exec are started by the sidecar, so its image is part of theirs. The same input gives the same\n" +
			"digest. What goes into the image is in deploy/docs/images.md.",
		Example: "  # A Go function, to a registry, for two kinds of nodes\n" +
			"  pelton build hello --tag registry.example.com/hello:1 --platform linux/amd64,linux/arm64 --push\n\n" +
			"  # A Python function, as an archive for `docker load` and `ctr images import`\n" +
			"  pelton build functions/resize --tag example.com/resize:1 --base python:3-slim --to docker:resize.tar\n\n" +
			"  # A shell function of protocol exec; the manifest then names the image by its digest\n" +
			"  pelton build notify --base busybox --sidecar-image registry.example.com/pelton-sidecar:1 --push --update",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.build(cmd.Context(), pathsOr(args)[0], o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.tag, "tag", "t", "", "the image's name, with host and tag (default: handler.image of the manifest)")
	f.StringVar(&o.base, "base", "", "what to build on: a reference, an OCI layout, an archive, or scratch")
	f.StringVar(&o.sidecar, "sidecar-image", "", "protocol exec: the image of the sidecar")
	f.StringSliceVar(&o.platforms, "platform", nil, "what it runs on, such as linux/amd64,linux/arm64 (default: this processor)")
	f.StringArrayVar(&o.with, "with", nil, "a file or folder that goes into the image whatever else says it does not")
	f.StringArrayVar(&o.to, "to", nil, "where to write it: oci:FOLDER, an OCI layout, or docker:FILE.tar")
	f.BoolVar(&o.push, "push", false, "write it to the registry of its name, with the login of docker or podman")
	f.BoolVar(&o.update, "update", false, "with --push: write the image with its digest into the manifest, as handler.image")
	bindEnv(f, "sidecar-image")
	return cmd
}

// destination is one place to write an image to.
type destination struct{ kind, path string }

// destinations reads --to.
func (o buildOptions) destinations() ([]destination, error) {
	var targets []destination
	for _, text := range o.to {
		kind, path, _ := strings.Cut(text, ":")
		if kind != "oci" && kind != "docker" || path == "" {
			return nil, usage("--to oci:FOLDER, --to docker:FILE.tar, or --push", "--to %q is no place for an image", text)
		}
		if kind == "docker" && len(o.platforms) > 1 {
			return nil, usage("--to oci:FOLDER", "an archive of Docker's holds one platform, not %d", len(o.platforms))
		}
		targets = append(targets, destination{kind, path})
	}
	switch {
	case len(targets) == 0 && !o.push:
		return nil, usage("--to oci:FOLDER, --to docker:FILE.tar, or --push", "it is not said where the image goes")
	case o.update && !o.push:
		return nil, usage("--push --update", "--update writes a digest that clusters can pull, so the image must be pushed")
	}
	return targets, nil
}

// build makes the image and writes it wherever it was asked for. What was written before something fails stays: it is whole.
func (a *app) build(ctx context.Context, what string, o buildOptions) error {
	targets, err := o.destinations()
	if err != nil {
		return err
	}
	platforms, err := image.ParsePlatforms(o.platforms)
	if err != nil {
		return usage("--platform linux/amd64,linux/arm64", "%s", err)
	}
	fn, err := functionAt(what)
	if err != nil {
		return err
	}
	if o.tag, err = o.name(fn); err != nil {
		return err
	}
	client := registry.New(registry.Config{})
	release, err := a.bundle(ctx, fn, o, platforms, client)
	if err != nil {
		return explainBuild(err)
	}
	result := built{Function: fn.Key().String(), Image: release.Name(), Written: []string{}}
	for _, t := range targets {
		if err := t.write(release); err != nil {
			return explainBuild(err)
		}
		result.Written = append(result.Written, t.kind+":"+t.path)
		a.say("wrote %s", t.path)
	}
	if o.push {
		a.say("push %s", release.Name())
		if err := release.Push(ctx, client); err != nil {
			return explainBuild(err)
		}
		result.Pushed = true
	}
	return a.finishBuild(fn, release, result, o.update)
}

func (a *app) bundle(
	ctx context.Context, fn *function.Function, o buildOptions, platforms []v1.Platform, client *registry.Client,
) (*image.Release, error) {
	a.say("build %s from %s", o.tag, fn.Origin.Dir)
	return bundle.Build(ctx, fn, bundle.Config{
		Name: o.tag, Base: o.base, Sidecar: o.sidecar, Platforms: platforms, With: o.with, Puller: client, Output: a.stderr,
	})
}

func (t destination) write(r *image.Release) error {
	if t.kind == "oci" {
		return r.WriteLayout(t.path)
	}
	return r.WriteFile(t.path)
}

// name is the image's: what was given, or what the manifest says without its digest.
func (o buildOptions) name(fn *function.Function) (string, error) {
	if o.tag != "" {
		if err := image.CheckName(o.tag); err != nil {
			return "", usage("--tag registry.example.com/"+fn.Metadata.Name+":1", "--tag: %s", err)
		}
		return o.tag, nil
	}
	tag, _, _ := strings.Cut(fn.Spec.Handler.Image, "@")
	if err := image.CheckName(tag); err != nil {
		return "", &Error{
			Exit: ExitUsage, Message: fmt.Sprintf("it is not said what the image of function %s is called", fn.Key()),
			Hint: fmt.Sprintf("--tag registry.example.com/%s:1, or handler.image with a tag in %s", fn.Metadata.Name, fn.Origin.File),
		}
	}
	return tag, nil
}

// functionAt finds the one function that is meant: by a path, or by its name in a manifest below this folder.
func functionAt(what string) (*function.Function, error) {
	path, name := what, ""
	if _, err := os.Stat(what); err != nil && function.ValidName(what) {
		path, name = ".", what
	}
	fns, err := loadFunctions([]string{path})
	if err != nil {
		return nil, err
	}
	var names []string
	var matching []*function.Function
	for _, fn := range fns {
		names = append(names, fn.Metadata.Name)
		if name == "" || fn.Metadata.Name == name {
			matching = append(matching, fn)
		}
	}
	switch {
	case len(matching) == 1:
		return matching[0], nil
	case len(matching) == 0:
		return nil, &Error{
			Exit: ExitNotFound, Message: fmt.Sprintf("there is neither a folder nor a function %s here", name),
			Hint: "one of: " + strings.Join(names, ", "),
		}
	case name != "":
		return nil, usage("pelton build "+matching[0].Origin.File, "%s called %s", plural(len(matching), "function"), name)
	}
	hint := "pelton build " + names[0]
	if path != "." {
		hint += ", in " + path
	}
	return nil, usage(hint, "%s has %s, and an image is made of one: %s", path, plural(len(fns), "function"), strings.Join(names, ", "))
}

// explainBuild adds what to do to what has gone wrong.
func explainBuild(err error) error {
	if e, ok := errors.AsType[*bundle.Error](err); ok {
		return &Error{Exit: ExitFailed, Message: e.Message, Cause: e.Cause, Hint: e.Hint}
	}
	if errors.Is(err, image.ErrOccupied) {
		return &Error{Exit: ExitConflict, Message: err.Error(), Hint: "name a folder that is not there, or an OCI layout to replace"}
	}
	e, ok := errors.AsType[*registry.Error](err)
	if !ok {
		return err
	}
	return &Error{Exit: ExitFailed, Message: "cannot use registry " + e.Host, Cause: err, Hint: registryHint(e)}
}

// registryHint is what to do about what a registry has answered.
func registryHint(e *registry.Error) string {
	switch {
	case e.Status == 0:
		return "check the name and the network; without TLS only registries on loopback and private addresses are used"
	case e.Status == 401 && e.User == "":
		return "docker login " + e.Host
	case e.Status == 401:
		return "docker login " + e.Host + ", as " + e.User + " was not let in"
	case e.Status == 403:
		return "ask who owns " + e.Host + "/" + e.Repository + ", or choose another --tag"
	case e.Status == 404 && !e.Push:
		return "check the reference: there is no such image on " + e.Host
	case e.Status == 413:
		return "the registry takes no layer of this size: put less into the image"
	case e.Status == 429:
		return "wait, or docker login " + e.Host + ": who is known may ask more often"
	}
	return ""
}
