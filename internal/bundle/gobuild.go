package bundle

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pelton-dev/pelton/internal/image"
)

// GoFlags make a program that is the same wherever and whenever it was compiled. What follows on the command line overrules
// them.
func GoFlags() []string { return []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w"} }

// GoEnv are the variables with which the go command compiles a static program for a platform.
func GoEnv(platform v1.Platform) []string {
	env := []string{"CGO_ENABLED=0", "GOOS=" + platform.OS, "GOARCH=" + platform.Architecture}
	switch platform.Architecture {
	case "arm":
		env = append(env, "GOARM="+strings.TrimPrefix(cmp.Or(platform.Variant, "v7"), "v"))
	case "amd64":
		env = append(env, "GOAMD64="+cmp.Or(platform.Variant, "v1"))
	}
	return env
}

// goBuild runs the manifest's own build command for a platform. Its output goes to a folder of ours: that of the user's may be
// in use by a running `pelton up`, and be for another processor.
func (b *build) goBuild(platform v1.Platform, dir string) (image.File, error) {
	command, program := b.fn.Spec.Handler.Build, b.program()
	if program == "" {
		return image.File{}, &Error{
			Message: fmt.Sprintf("handler.command starts %s, which is not a path in the function's folder",
				b.fn.Spec.Handler.Command[0]),
			Hint: "start what handler.build makes: command: [./bin/" + b.fn.Metadata.Name + "]",
		}
	}
	rest, err := redirect(command[2:], dir, program)
	if err != nil {
		return image.File{}, &Error{Message: "handler.build", Cause: err, Hint: "write build: [go, build, -o, " + program + ", .]"}
	}
	all := append([]string{command[0], "build"}, GoFlags()...)
	if err := b.run(append(all, rest...), GoEnv(platform)); err != nil {
		return image.File{}, err
	}
	made := filepath.Join(dir, program)
	if info, err := os.Stat(made); err != nil || !info.Mode().IsRegular() {
		return image.File{}, &Error{
			Message: fmt.Sprintf("handler.build did not make %s, which handler.command starts", program),
			Hint:    "write build: [go, build, -o, " + program + ", .]",
		}
	}
	return image.File{Path: path.Join(Dir, program), Source: made, Mode: 0o755}, nil
}

// redirect lets the -o of a command lead to the same place in another folder. Without one the program is put where it is
// started from.
func redirect(args []string, dir, program string) ([]string, error) {
	var out []string
	found := false
	for i := 0; i < len(args); i++ {
		target, joined := strings.CutPrefix(args[i], "-o=")
		switch {
		case found || !joined && args[i] != "-o":
			out = append(out, args[i])
			continue
		case !joined && i+1 == len(args):
			return nil, fmt.Errorf("-o names no file")
		case !joined:
			i++
			target = args[i]
		}
		if !filepath.IsLocal(target) {
			return nil, fmt.Errorf("-o %s is outside of the function's folder", target)
		}
		found = true
		moved := filepath.Join(dir, target)
		if strings.HasSuffix(target, "/") || isDir(target) {
			moved += "/"
		}
		out = append(out, "-o", moved)
	}
	if !found {
		out = append([]string{"-o", filepath.Join(dir, program)}, out...)
	}
	return out, nil
}

func isDir(target string) bool { return filepath.Clean(target) == "." }
