package bundle_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pelton-dev/pelton/internal/bundle"
	"github.com/pelton-dev/pelton/internal/image"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestWhatCannotBeBuilt names what is wrong and what to do.
func TestWhatCannotBeBuilt(t *testing.T) {
	t.Parallel()
	python := map[string]string{"handler.py": "code"}
	source := map[string]string{"main.go": program, "go.mod": "module example.com/fn\n\ngo 1.26\n"}
	for title, test := range map[string]struct {
		handler string
		files   map[string]string
		cfg     bundle.Config
		want    []string
	}{
		"no command":         {"{image: example.com/a:1}", nil, bundle.Config{}, []string{"no handler.command"}},
		"go run":             {"{command: [go, run, .]}", source, bundle.Config{}, []string{"no go command", "[go, build, -o, bin/fn, .]"}},
		"no base":            {"{command: [python3, handler.py]}", python, bundle.Config{}, []string{"no base", "python:3-slim"}},
		"no base, a program": {"{command: [./run]}", nil, bundle.Config{}, []string{"--base scratch"}},
		"nothing to start it": {
			"{command: [python3, handler.py]}", python, bundle.Config{Base: "scratch"}, []string{"empty base", "python:3-slim"},
		},
		"no program": {"{command: [./run]}", nil, bundle.Config{Base: "scratch"}, []string{"./run", "would not be in the image"}},
		"no sidecar": {"{protocol: exec, command: [sh, handler.sh]}", nil, bundle.Config{}, []string{"--sidecar-image"}},
		"a build that fails": {
			"{build: [sh, -c, exit 3], command: [./run]}", nil, bundle.Config{Base: "scratch"}, []string{"sh -c exit 3", "exit"},
		},
		"a build that is not there": {
			"{build: [no-such-tool], command: [./run]}", nil, bundle.Config{Base: "scratch"}, []string{"no-such-tool", "install"},
		},
		"go that does not compile": {
			"{build: [go, build, -o, bin/fn, .], command: [./bin/fn]}",
			map[string]string{"main.go": "package main"},
			bundle.Config{},
			[]string{"go build", "above"},
		},
		"go to another place": {
			"{build: [go, build, -o, bin/other, .], command: [./bin/fn]}", source, bundle.Config{}, []string{"did not make bin/fn"},
		},
		"go to outside": {
			"{build: [go, build, -o, /tmp/fn, .], command: [./bin/fn]}", source, bundle.Config{}, []string{"/tmp/fn is outside"},
		},
		"go and no path": {
			"{build: [go, build, .], command: [fn]}", source, bundle.Config{}, []string{"starts fn", "command: [./bin/fn]"},
		},
		"with what is not there": {
			"{command: [python3, h.py]}", nil, bundle.Config{Base: "scratch", With: []string{"gone"}}, []string{"--with gone"},
		},
		"with what is outside": {
			"{command: [python3, h.py]}", nil, bundle.Config{Base: "scratch", With: []string{"../x"}}, []string{"not below"},
		},
		"too large": {
			"{command: [python3, handler.py]}", python, bundle.Config{Base: "scratch", MaxSize: 2}, []string{"handler.py is one too much"},
		},
		"an exception": {
			"{command: [python3, h.py]}",
			map[string]string{".peltonignore": "a\n!b\n"},
			bundle.Config{Base: "scratch"},
			[]string{".peltonignore:2", "--with"},
		},
		"a base that is gone": {"{command: [python3, h.py]}", nil, bundle.Config{Base: "./gone"}, []string{"--base", "./gone"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			test.cfg.Name = name
			_, err := bundle.Build(t.Context(), folder(t, test.handler, test.files), test.cfg)
			if err == nil {
				t.Fatal("no error")
			}
			text := err.Error()
			if e, ok := errors.AsType[*bundle.Error](err); ok {
				text += "\n" + e.Hint
			}
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("want %q in: %s", want, text)
				}
			}
		})
	}
}

// TestEndsWithItsContext ends a build that would go on for ever, with what it has started.
func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fn := folder(t, "{build: [sh, -c, 'sleep 1000 & echo $!; wait'], command: [./run]}", nil)
	out := &firstLine{cancel: cancel}
	if _, err := bundle.Build(ctx, fn, bundle.Config{Name: name, Base: image.Scratch, Output: out}); !errors.Is(err, context.Canceled) {
		t.Errorf("want its context's error: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out.text))
	if err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("process %d still runs (%w)", pid, err)
		}
		return nil
	})
}

// firstLine cancels as soon as anything is written.
type firstLine struct {
	text   string
	cancel func()
}

// Write implements io.Writer.
func (f *firstLine) Write(p []byte) (int, error) {
	f.text += string(p)
	f.cancel()
	return len(p), nil
}

// TestFilesThatCannotGo reports all of them at once.
func TestFilesThatCannotGo(t *testing.T) {
	t.Parallel()
	fn := folder(t, "{command: [python3, handler.py]}", map[string]string{"handler.py": "code"})
	at := func(name string) string { return filepath.Join(fn.Origin.Dir, name) }
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", at("sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for link, to := range map[string]string{"abs": at("handler.py"), "out": "../elsewhere", "gone": "nothing", "round": "round"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(filepath.Dir(fn.Origin.Dir), "elsewhere"), "x")
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = bundle.Build(t.Context(), fn, bundle.Config{Name: name, Base: pythonBase(t)})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"sock is a socket", "pipe is a pipe", "abs is a link to", "out is a link to ../elsewhere, outside",
		"gone is a link to nothing, which is not there", "round is a link to round",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
}

// TestUnreadable names a file that its owner keeps to himself.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	fn := folder(t, "{command: [python3, handler.py]}", map[string]string{"handler.py": "code"})
	if err := os.Chmod(filepath.Join(fn.Origin.Dir, "handler.py"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := bundle.Build(t.Context(), fn, bundle.Config{Name: name, Base: pythonBase(t)})
	if err == nil || !strings.Contains(err.Error(), "handler.py: permission denied") {
		t.Errorf("want the file's name: %v", err)
	}
}

// TestOtherPlatforms asks bases for what they are not made for.
func TestOtherPlatforms(t *testing.T) {
	t.Parallel()
	base := layout(t, image.Spec{Files: []image.File{{Path: "/usr/bin/python3"}}}, amd64)
	fn := folder(t, "{command: [python3, handler.py]}", map[string]string{"handler.py": "code"})
	_, err := bundle.Build(t.Context(), fn, bundle.Config{Name: name, Base: base, Platforms: []v1.Platform{amd64, arm64}})
	e, ok := errors.AsType[*bundle.Error](err)
	if !ok || !strings.Contains(e.Error(), "only for linux/amd64") || !strings.Contains(e.Hint, "--platform linux/amd64") {
		t.Errorf("a base for another platform: %v", err)
	}
}

// TestSidecarsThatAreNone start nothing, or have no shell for the command.
func TestSidecarsThatAreNone(t *testing.T) {
	t.Parallel()
	fn := folder(t, "{protocol: exec, command: [sh, handler.sh]}", map[string]string{"handler.sh": "code", "pelton-sidecar": "mine"})
	for want, sidecar := range map[string]string{
		"starts a program by its path": layout(t, image.Spec{Files: []image.File{{Path: "/x"}}}, image.Here()),
		"would replace the sidecar":    sidecarImage(t),
		"is empty":                     image.Scratch,
	} {
		_, err := bundle.Build(t.Context(), fn, bundle.Config{Name: name, Sidecar: sidecar})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	shell := folder(t, "{protocol: exec, command: [sh, handler.sh]}", map[string]string{"handler.sh": "code"})
	_, err := bundle.Build(t.Context(), shell, bundle.Config{Name: name, Sidecar: sidecarImage(t)})
	e, ok := errors.AsType[*bundle.Error](err)
	if !ok || !strings.Contains(e.Error(), "does not have") || !strings.Contains(e.Hint, "busybox") {
		t.Errorf("a shell that is not there: %v", err)
	}
}
