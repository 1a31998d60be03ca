package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pelton-dev/pelton/internal/lab/daemon"
)

// DefaultDir is where a lab lives unless something else is said.
const DefaultDir = "/var/lib/pelton-lab"

// DirVariable is the environment variable that says otherwise.
const DirVariable = "PELTON_LAB_DIR"

// DefaultHPASyncPeriod is shorter than Kubernetes' 15 s: a test that waits for scaling waits less.
const DefaultHPASyncPeriod = 5 * time.Second

// Config is a lab. Its zero value is the default lab of this machine.
type Config struct {
	// Dir is the lab's directory: absolute, and its own. Default: $PELTON_LAB_DIR, or DefaultDir.
	Dir string
	// Repository is the root of our module, for what is built from it. Default: found upwards from the working directory.
	Repository string
	// HPASyncPeriod is how often the autoscaler looks at metrics. Default: DefaultHPASyncPeriod.
	HPASyncPeriod time.Duration
	// Out gets a line per step. Default: nobody.
	Out io.Writer
}

// Cluster is the lab of one directory, running or not.
type Cluster struct {
	dir    string
	repo   string
	hpa    time.Duration
	out    io.Writer
	keeper daemon.Keeper
}

// ErrMachine says that this machine, or this user, cannot run a lab. The error that wraps it says what is missing.
var ErrMachine = errors.New("a lab cannot run here")

// ErrDown is returned by Open for a lab that does not run.
var ErrDown = errors.New("the lab is not running: start it with `go run ./internal/lab/cmd/lab up`")

// New returns the lab of a directory and touches nothing.
func New(cfg Config) (*Cluster, error) {
	dir := cmp.Or(cfg.Dir, os.Getenv(DirVariable), DefaultDir)
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	c := &Cluster{
		dir: dir, repo: cfg.Repository, hpa: cmp.Or(cfg.HPASyncPeriod, DefaultHPASyncPeriod),
		out: cfg.Out,
	}
	if c.out == nil {
		c.out = io.Discard
	}
	c.keeper = daemon.Keeper{Records: c.path("run", "records"), Logs: c.LogDir(), Mark: "PELTON_LAB_OF=" + dir}
	return c, nil
}

// Open returns the lab of dir, which must be running. "" is the default.
func Open(dir string) (*Cluster, error) {
	c, err := New(Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	cluster, err := c.readState()
	if err != nil {
		return nil, err
	}
	if cluster == nil {
		return nil, fmt.Errorf("open lab %s: %w", c.dir, ErrDown)
	}
	c.hpa, c.repo = time.Duration(cluster.HPASyncPeriod), cluster.Repository
	for _, part := range c.components() {
		if _, alive, err := c.keeper.Find(part.name); err != nil || !alive {
			return nil, fmt.Errorf("open lab %s: %w", c.dir, cmp.Or(err, fmt.Errorf("%s does not run: %w", part.name, ErrDown)))
		}
	}
	return c, nil
}

// checkDir refuses directories in which our own files could be mistaken for somebody's, and those too long for sockets.
func checkDir(dir string) error {
	const longestSocket = 100 // the kernel takes 107 bytes
	switch {
	case !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || dir == "/":
		return fmt.Errorf("lab directory %q: want a clean absolute path, such as %s", dir, DefaultDir)
	case len(dir)+len(containerdSocket)+len(".ttrpc") > longestSocket:
		return fmt.Errorf("lab directory %q: too long for the name of a socket, want at most %d bytes", dir,
			longestSocket-len(containerdSocket)-len(".ttrpc"))
	}
	return nil
}

// state is what is known of a cluster between two commands. It is there from the first change to the machine to the last.
type state struct {
	Boot          string        `json:"boot"`
	Repository    string        `json:"repository"`
	HPASyncPeriod time.Duration `json:"hpaSyncPeriod"`
	// Kernel are settings that the kubelet changes, as they were before.
	Kernel map[string]string `json:"kernel"`
}

// readState returns nil if there is no cluster, not even half of one.
func (c *Cluster) readState() (*state, error) {
	text, err := os.ReadFile(c.path("run", "cluster.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var s state
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("read state of the lab: %w", err)
	}
	return &s, nil
}

func (c *Cluster) writeState(s *state) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode state of the lab: %w", err)
	}
	return writeChanged(c.path("run", "cluster.json"), text, 0o644)
}

func (c *Cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

// Dir is the lab's directory.
func (c *Cluster) Dir() string { return c.dir }

// LogDir is where the logs are: one of each component, in pods/ those of the pods.
func (c *Cluster) LogDir() string { return c.path("logs") }

// Kubeconfig is the path of the file that kubectl and clients use, as a user who may do everything.
func (c *Cluster) Kubeconfig() string { return c.path("run", "admin.conf") }

// BridgeAddress is where pods reach a service that listens on this machine.
func (c *Cluster) BridgeAddress() string { return bridgeIP }

// step does one thing and tells what it was and how long it took. do returns a note, "" for none.
func (c *Cluster) step(ctx context.Context, name string, do func(context.Context) (string, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	begun := time.Now()
	note, err := do(ctx)
	if err != nil {
		note = "FAILED"
	}
	fmt.Fprintf(c.out, "%-26s %7.2f s  %s\n", name, time.Since(begun).Seconds(), note)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
