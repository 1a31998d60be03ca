package bundle

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pelton-dev/pelton/internal/image"
)

// check finds what is wrong with the manifest and the bases before anything is built.
func (b *build) check() error {
	h := b.fn.Spec.Handler
	switch {
	case len(h.Command) == 0:
		return &Error{
			Message: fmt.Sprintf("function %s has no handler.command: its image would start nothing of it", b.fn.Key()),
			Hint:    "write command: [./PROGRAM] into " + b.fn.Origin.File,
		}
	case path.Base(h.Command[0]) == "go":
		return &Error{
			Message: fmt.Sprintf("handler.command is %q, and there is no go command in an image", strings.Join(h.Command, " ")),
			Hint: fmt.Sprintf("write build: [go, build, -o, bin/%s, .] and command: [./bin/%s]",
				b.fn.Metadata.Name, b.fn.Metadata.Name),
		}
	case b.isExec() && b.cfg.Sidecar == "":
		return &Error{
			Message: "protocol exec is started by the sidecar, from inside the function's own image: which sidecar is not said",
			Hint:    "--sidecar-image IMAGE, the pelton-sidecar of your cluster; with --base for what the command needs besides",
		}
	case !b.isExec() && !b.isGo() && b.cfg.Base == "":
		return b.baseless("there is no base to put the function on")
	}
	return nil
}

// suggested names a base for what a command starts, without the host that everybody gets it from. "" is no idea.
func suggested(command string) string {
	switch strings.TrimRight(filepath.Base(command), "0123456789.") { // python3.13 is python
	case "python":
		return "python:3-slim"
	case "node", "npm", "npx":
		return "node:lts-slim"
	case "ruby", "bundle":
		return "ruby:slim"
	case "java":
		return "eclipse-temurin:25-jre"
	case "bash", "perl":
		return "debian:stable-slim"
	case "sh", "cat", "awk", "sed":
		return "busybox"
	default:
		return ""
	}
}

// baseless says which base to take.
func (b *build) baseless(message string) error {
	command := b.fn.Spec.Handler.Command[0]
	hint := "--base IMAGE, an image that has " + command
	if b.program() != "" {
		hint = "--base scratch if " + command + " is one static program, else --base IMAGE with what it needs"
	}
	if base := suggested(command); base != "" {
		hint += ", such as " + base
	}
	return &Error{Message: message, Hint: hint}
}

// base returns what the image is built on for a platform, nil for nothing.
func (b *build) base(platform v1.Platform) (v1.Image, error) {
	lower, err := b.open("--base", b.cfg.Base, platform)
	if err != nil || !b.isExec() {
		return lower, err
	}
	sidecar, err := b.open("--sidecar-image", b.cfg.Sidecar, platform)
	if err != nil {
		return nil, err
	}
	if sidecar == nil {
		return nil, &Error{Message: "--sidecar-image is empty: nothing in it starts the command"}
	}
	if err := b.checkSidecar(sidecar); err != nil {
		return nil, err
	}
	if lower == nil {
		return sidecar, b.checkAlone(sidecar)
	}
	return image.Stack(lower, sidecar)
}

// checkSidecar makes sure that the image starts anything, and that no file of the function's takes its place.
func (b *build) checkSidecar(sidecar v1.Image) error {
	file, err := sidecar.ConfigFile()
	if err != nil {
		return fmt.Errorf("read image config: %w", err)
	}
	entrypoint := file.Config.Entrypoint
	if len(entrypoint) == 0 || !path.IsAbs(entrypoint[0]) {
		return &Error{
			Message: fmt.Sprintf("--sidecar-image %s starts %q, and a sidecar's image starts a program by its path",
				b.cfg.Sidecar, entrypoint),
			Hint: "the pelton-sidecar image of your cluster: kubectl get deployment -n pelton-system -o yaml | grep image",
		}
	}
	for _, f := range b.files {
		if f.Path == entrypoint[0] {
			return &Error{Message: "file " + f.Source + " would replace the sidecar in the image", Hint: "give it another name"}
		}
	}
	return nil
}

// checkAlone makes sure that a command which is not the function's own is in the sidecar's image: the usual one has no shell.
func (b *build) checkAlone(sidecar v1.Image) error {
	command := b.fn.Spec.Handler.Command[0]
	if b.program() != "" {
		return nil
	}
	found, err := image.HasFile(sidecar, func(name string) bool { return path.Base(name) == path.Base(command) })
	if err != nil {
		return fmt.Errorf("--sidecar-image %s: %w", b.cfg.Sidecar, err)
	}
	if !found {
		return b.baseless(fmt.Sprintf("handler.command starts %s, which the sidecar's image does not have", command))
	}
	return nil
}

// open returns the image that a flag names; nil for none, or an empty one.
func (b *build) open(flag, from string, platform v1.Platform) (v1.Image, error) {
	if from == "" {
		return nil, nil
	}
	img, err := image.OpenBase(b.ctx, from, platform, b.cfg.Puller)
	if wrong, ok := errors.AsType[*image.PlatformError](err); ok {
		return nil, &Error{
			Message: flag + " " + from, Cause: wrong,
			Hint: fmt.Sprintf("--platform %s, or another %s", wrong.Have[0], strings.TrimLeft(flag, "-")),
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return img, nil
}
