package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pelton-dev/pelton/internal/image"
)

// registry is a host that does not exist: an image of this name can only have been loaded.
const registry = "pelton.local/"

const pauseImage = registry + "pause:1"

// Images of the project that Up loads: each is one program of this repository.
const (
	SidecarImage = registry + "pelton-sidecar:dev"
	ScalerImage  = registry + "pelton-scaler:dev"
	// ControllerImage keeps what Functions need.
	ControllerImage = registry + "pelton-controller:dev"
	// HelloImage is the example function on the Go SDK, protocol stream.
	HelloImage = registry + "hello:dev"
)

// source is an image with one program of the repository.
type source struct{ image, pkg string }

var projectImages = []source{
	{SidecarImage, "cmd/pelton-sidecar"},
	{ScalerImage, "cmd/pelton-scaler"},
	{ControllerImage, "cmd/pelton-controller"},
	{HelloImage, "functions/examples/hello"},
}

// nobody is the user that our images run as: some clusters refuse images that would run as root.
const nobody = "65532"

// tmp is where programs may write.
var tmp = image.File{Path: "/tmp", Mode: os.ModeDir | os.ModeSticky | 0o777}

// LoadProgram builds a package of the repository ("cmd/pelton-sidecar"), or of a module that it requires
// ("github.com/nats-io/nats-server/v2"), into an image and loads it. It reports whether the image was not there as it is now.
func (c *Cluster) LoadProgram(ctx context.Context, name, pkg string) (bool, error) {
	file, err := c.buildProgram(ctx, name, pkg)
	if err != nil {
		return false, fmt.Errorf("build image %s: %w", name, err)
	}
	path := "/app/" + filepath.Base(pkg)
	return c.load(ctx, image.Spec{
		Name: name, Entrypoint: []string{path}, User: nobody, WorkingDir: "/",
		Files: []image.File{{Path: path, Source: file, Mode: 0o755}, tmp},
	})
}

// buildProgram returns the path of a program that was built from a package for an image of that name.
func (c *Cluster) buildProgram(ctx context.Context, name, pkg string) (string, error) {
	if err := c.findRepository(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(c.path("run", "images"), 0o755); err != nil {
		return "", err
	}
	if first, _, _ := strings.Cut(pkg, "/"); !strings.Contains(first, ".") {
		pkg = "./" + pkg
	}
	file := c.imageFile(name)
	return file, goBuild(ctx, io.Discard, c.repo, file, "-s -w", pkg)
}

func (c *Cluster) imageFile(name string) string {
	return c.path("run", "images", strings.NewReplacer("/", "_", ":", "_").Replace(name))
}

// load makes an image and loads it, unless it is there as it is now.
func (c *Cluster) load(ctx context.Context, spec image.Spec) (bool, error) {
	built, err := image.Build(spec)
	if err != nil {
		return false, err
	}
	archive := c.imageFile(spec.Name) + ".tar"
	if err := built.WriteFile(archive); err != nil {
		return false, err
	}
	config, err := built.ConfigName()
	if err != nil {
		return false, fmt.Errorf("build image %s: %w", spec.Name, err)
	}
	if c.hasImage(ctx, spec.Name, config.String()) {
		return false, nil
	}
	return true, c.LoadImage(ctx, archive)
}

// LoadImage loads an archive that `docker save`, internal/image or `ctr images export` wrote. Pods name it with
// imagePullPolicy IfNotPresent or Never.
func (c *Cluster) LoadImage(ctx context.Context, archive string) error {
	if _, err := c.Ctr(ctx, "images", "import", archive); err != nil {
		return fmt.Errorf("load image %s: %w", archive, err)
	}
	return nil
}

// hasImage asks containerd, since images can also be removed or replaced by hand. It writes a manifest of its own when it
// imports an archive; what stays the same is the config, which names all layers.
func (c *Cluster) hasImage(ctx context.Context, name, config string) bool {
	list, err := c.Ctr(ctx, "images", "list", "name=="+name)
	i := strings.Index(string(list), "sha256:")
	if err != nil || i < 0 {
		return false
	}
	manifest, err := c.Ctr(ctx, "content", "get", strings.Fields(string(list[i:]))[0])
	return err == nil && strings.Contains(string(manifest), config)
}

// Ctr runs containerd's own client on the lab's containerd and returns its output.
func (c *Cluster) Ctr(ctx context.Context, args ...string) ([]byte, error) {
	all := append([]string{"--address", c.dir + containerdSocket, "--namespace", "k8s.io"}, args...)
	out, err := output(exec.CommandContext(ctx, "ctr", all...))
	if err != nil {
		return out, fmt.Errorf("ctr %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// loadPause loads the image that every pod begins with.
func (c *Cluster) loadPause(ctx context.Context) (string, error) {
	return loadedNote(c.LoadProgram(ctx, pauseImage, "internal/lab/pause"))
}

func loadedNote(loaded bool, err error) (string, error) {
	if err == nil && !loaded {
		return "unchanged", nil
	}
	return "loaded", err
}

// loadProjectImages comes last: the cluster stands even if the project does not compile at the moment.
func (c *Cluster) loadProjectImages(ctx context.Context) error {
	for _, s := range projectImages {
		if err := c.step(ctx, strings.TrimPrefix(s.image, registry), func(ctx context.Context) (string, error) {
			return loadedNote(c.LoadProgram(ctx, s.image, s.pkg))
		}); err != nil {
			return err
		}
	}
	return nil
}
