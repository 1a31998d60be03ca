package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/process"
	"github.com/pelton-dev/pelton/internal/sidecar"
)

// Defaults of Config.
const (
	DefaultStartTimeout = 60 * time.Second
	DefaultStopGrace    = 5 * time.Second
	DefaultDrainTimeout = 20 * time.Second
	DefaultBuildTimeout = 10 * time.Minute
)

// maxRuntimeDir leaves room for a socket's name: the kernel takes 107 bytes (103 on macOS) for the whole path.
const maxRuntimeDir = 80

// Config says how functions are hosted. All functions in it may be nil; none may block, and they are called from many
// goroutines.
type Config struct {
	RuntimeDir string         // for sockets: short, made if missing, removed at the end. "": a temporary one
	Guard      *process.Guard // nil: orphans are prevented by the parent-death signal alone

	StartTimeout time.Duration // from a process's start until it accepts calls
	StopGrace    time.Duration // from SIGTERM to SIGKILL, after a replica has drained
	DrainTimeout time.Duration // at shutdown, how long running calls may go on
	BuildTimeout time.Duration // of one handler.build

	// Watch restarts functions whose files change. Manifests lists the files and directories in which manifests are looked
	// for: a changed one calls Reload, and what it returns is applied. An error leaves everything as it is.
	Watch     bool
	Manifests []string
	Reload    func(ctx context.Context) ([]*function.Function, error)

	OnEvent  func(Event)  // what happened to functions and replicas
	OnOutput func(Output) // what handlers and builds write, line by line and bounded

	// OwnServer says that nobody else hosts functions on this NATS server. Then Run begins by removing the schedules of
	// functions that Apply was not given: they were removed while no supervisor ran.
	OwnServer bool

	Recorder ledger.Recorder  // of the sidecars
	Metrics  *sidecar.Metrics // of the sidecars
	Logger   *zap.Logger
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.StartTimeout, DefaultStartTimeout)
	set(&c.StopGrace, DefaultStopGrace)
	set(&c.DrainTimeout, DefaultDrainTimeout)
	set(&c.BuildTimeout, DefaultBuildTimeout)
	if c.OnEvent == nil {
		c.OnEvent = func(Event) {}
	}
	if c.OnOutput == nil {
		c.OnOutput = func(Output) {}
	}
	if c.Recorder == nil {
		c.Recorder = ledger.RecorderFunc(func(ledger.Run) {})
	}
	c.Logger = cmp.Or(c.Logger, zap.NewNop())
	return c
}

// validate names every wrong field.
func (c Config) validate() error {
	var errs []error
	for name, d := range map[string]time.Duration{
		"StartTimeout": c.StartTimeout, "StopGrace": c.StopGrace, "DrainTimeout": c.DrainTimeout, "BuildTimeout": c.BuildTimeout,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s: %v is negative", name, d))
		}
	}
	if len(c.RuntimeDir) > maxRuntimeDir {
		errs = append(errs, fmt.Errorf("RuntimeDir: %q is longer than %d bytes, too long for the path of a socket",
			c.RuntimeDir, maxRuntimeDir))
	}
	return errors.Join(errs...)
}

// makeRuntimeDir makes the directory for sockets, for us alone.
func makeRuntimeDir(dir string) (string, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fmt.Errorf("make runtime directory: %w", err)
		}
		return filepath.Abs(dir)
	}
	base := os.TempDir()
	if len(base) > maxRuntimeDir-20 {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "pelton-")
	if err != nil {
		return "", fmt.Errorf("make runtime directory: %w", err)
	}
	return dir, nil
}
