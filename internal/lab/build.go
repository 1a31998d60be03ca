package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// program is one that is built from a module of internal/lab/modules.
type program struct{ name, module, pkg string }

var programs = []program{
	{"etcd", "etcd", "go.etcd.io/etcd/server/v3"},
	{"kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"},
	{"kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{"kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"},
	{"kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet"},
	{"kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl"},
	{"keda-operator", "keda", "github.com/kedacore/keda/v2/cmd/operator"},
	{"keda-adapter", "keda", "github.com/kedacore/keda/v2/cmd/adapter"},
}

// module is where a program's versions are pinned.
func (c *Cluster) module(p program) string {
	return filepath.Join(c.repo, "internal", "lab", "modules", p.module)
}

// ldflags leave out what only a debugger needs, and tell Kubernetes its version: it refuses to be a "v0.0.0".
func ldflags(p program, gomod []byte) (string, error) {
	if p.module != "kubernetes" {
		return "-s -w", nil
	}
	version, err := required(gomod, "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) != 3 {
		return "", fmt.Errorf("version %q of k8s.io/kubernetes: want three numbers", version)
	}
	const set = " -X k8s.io/component-base/version.git"
	return "-s -w" + set + "Version=" + version + set + "Major=" + parts[0] + set + "Minor=" + parts[1], nil
}

// required returns the version of a module that a go.mod requires.
func required(gomod []byte, module string) (string, error) {
	for scan := bufio.NewScanner(bytes.NewReader(gomod)); scan.Scan(); {
		fields := strings.Fields(strings.TrimPrefix(scan.Text(), "require "))
		if len(fields) == 2 && fields[0] == module {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("no version of %s in go.mod", module)
}

// stamp names exactly what a program is built from. It stands next to the program; one that matches is not built again.
func (c *Cluster) stamp(p program, goVersion string) (stamp, flags string, err error) {
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(c.module(p), name))
		if err != nil {
			return "", "", err
		}
		if name == "go.mod" {
			if flags, err = ldflags(p, text); err != nil {
				return "", "", err
			}
		}
		fmt.Fprintf(hash, "%d\n%s", len(text), text)
	}
	fmt.Fprintf(hash, "%s\n%s\n%s\n%s/%s\n", p.pkg, flags, goVersion, runtime.GOOS, runtime.GOARCH)
	return hex.EncodeToString(hash.Sum(nil)), flags, nil
}

// Build builds the programs that are missing or not what the modules say, and tells how long each took.
func (c *Cluster) Build(ctx context.Context) error {
	if err := c.claim(); err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return c.build(ctx)
}

func (c *Cluster) build(ctx context.Context) error {
	if err := c.findRepository(); err != nil {
		return err
	}
	version, err := c.goEnv(ctx, "GOVERSION")
	if err != nil {
		return err
	}
	built := 0
	for _, p := range programs {
		stamp, flags, err := c.stamp(p, version)
		if err != nil {
			return fmt.Errorf("look at module of %s: %w", p.name, err)
		}
		if c.isBuilt(p, stamp) {
			continue
		}
		built++
		if err := c.step(ctx, "build "+p.name, func(ctx context.Context) (string, error) {
			return "", c.buildOne(ctx, p, stamp, flags)
		}); err != nil {
			return err
		}
	}
	return c.step(ctx, "programs", func(ctx context.Context) (string, error) {
		return fmt.Sprintf("%d built, %d were there", built, len(programs)-built), c.copyCRDs(ctx)
	})
}

func (c *Cluster) stampPath(p program) string { return c.path("bin", "."+p.name+".stamp") }

func (c *Cluster) isBuilt(p program, stamp string) bool {
	text, err := os.ReadFile(c.stampPath(p))
	_, missing := os.Stat(c.path("bin", p.name))
	return err == nil && missing == nil && string(text) == stamp
}

func (c *Cluster) buildOne(ctx context.Context, p program, stamp, flags string) error {
	if err := c.checkSpaceToBuild(ctx); err != nil {
		return err
	}
	for _, dir := range []string{c.path("bin"), c.LogDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	log, err := os.Create(filepath.Join(c.LogDir(), "build-"+p.name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	// While the program runs, its file cannot be written to, but another can take its place.
	next := c.path("bin", p.name+".new")
	if err := goBuild(ctx, log, c.module(p), next, flags, p.pkg); err != nil {
		return err
	}
	return errors.Join(os.Rename(next, c.path("bin", p.name)), writeChanged(c.stampPath(p), []byte(stamp), 0o644))
}

// checkSpaceToBuild asks for the space of a cold build unless the cache is already as large as one makes it.
func (c *Cluster) checkSpaceToBuild(ctx context.Context) error {
	cache, err := c.goEnv(ctx, "GOCACHE")
	if err != nil {
		return err
	}
	need := uint64(diskToBuild)
	if size := sizeOf(cache, diskToBuild); size >= diskToBuild {
		need = diskToRun
	}
	if err := errors.Join(checkSpace(cache, need), checkSpace(c.path("bin"), programsSize)); err != nil {
		return fmt.Errorf("%w: %w", ErrMachine, err)
	}
	return nil
}

// sizeOf adds up the files of a directory until it has seen enough.
func sizeOf(dir string, enough int64) int64 {
	var sum int64
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil {
			sum += info.Size()
		}
		if sum >= enough {
			return filepath.SkipAll
		}
		return nil // what cannot be read counts for nothing
	})
	return sum
}

// goBuild runs the go command, whose settings of the user's must not decide what is built.
func goBuild(ctx context.Context, log io.Writer, dir, target, ldflags, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", ldflags, "-o", target, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	var out bytes.Buffer
	cmd.Stdout = io.MultiWriter(&out, log)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, lastLines(out.String(), 20))
	}
	return nil
}

func (c *Cluster) goEnv(ctx context.Context, name string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", name)
	cmd.Dir = c.repo
	out, err := output(cmd)
	if err != nil {
		return "", fmt.Errorf("ask go for %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// findRepository looks upwards from the working directory for the module that this package is of.
func (c *Cluster) findRepository() error {
	dir := c.repo
	if dir == "" {
		var err error
		if dir, err = os.Getwd(); err != nil {
			return fmt.Errorf("find repository: %w", err)
		}
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "internal", "lab", "modules", "kubernetes", "go.mod")); err == nil {
			c.repo = dir
			return nil
		}
		if dir == filepath.Dir(dir) {
			return errors.New("find repository: run this inside Pelton's repository, which pins what a lab is built from")
		}
	}
}
