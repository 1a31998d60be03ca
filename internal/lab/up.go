package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/pelton-dev/pelton/internal/lab/pki"
	"github.com/pelton-dev/pelton/internal/lab/proc"
)

// Up brings the cluster to the state in which everything runs and is ready: it builds, starts and repairs what is missing.
// Where all is well it changes nothing. What it has begun when it fails, the next Up or Down takes on.
func (c *Cluster) Up(ctx context.Context) error {
	begun := time.Now()
	if err := c.claim(); err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.step(ctx, "machine", c.checkMachine); err != nil {
		return err
	}
	if err := c.clearLeftovers(ctx); err != nil {
		return err
	}
	if err := c.step(ctx, "packages", c.installPackages); err != nil {
		return err
	}
	if err := c.build(ctx); err != nil {
		return err
	}
	if err := c.step(ctx, "settings", c.prepare); err != nil {
		return err
	}
	if err := c.startAll(ctx); err != nil {
		return err
	}
	if err := c.loadProjectImages(ctx); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%-26s %7.2f s  export KUBECONFIG=%s\n", "the lab is up", time.Since(begun).Seconds(), c.Kubeconfig())
	return nil
}

// clearLeftovers begins anew where nothing of a cluster can be used any more: after a reboot or without the bridge that its
// pods hung on. A cluster that ended halfway is kept, for the next steps to repair.
func (c *Cluster) clearLeftovers(ctx context.Context) error {
	old, err := c.readState()
	if err != nil {
		return c.clear(ctx, "its state cannot be read: "+err.Error())
	}
	if old == nil {
		if len(c.keeper.Marked()) > 0 {
			return c.clear(ctx, "processes without a record")
		}
		return c.rotateLogs()
	}
	boot, err := proc.Boot()
	switch {
	case err != nil:
		return err
	case boot != old.Boot:
		return c.clear(ctx, "the machine was started again")
	case !hasBridge() && c.everStarted(Containerd):
		return c.clear(ctx, "the bridge is gone")
	}
	return nil
}

func (c *Cluster) everStarted(name string) bool {
	rec, _, err := c.keeper.Find(name)
	return err != nil || rec.PID != 0
}

func (c *Cluster) clear(ctx context.Context, why string) error {
	fmt.Fprintf(c.out, "beginning anew: %s\n", why)
	if err := c.down(ctx); err != nil {
		return err
	}
	return c.rotateLogs()
}

// rotateLogs keeps the logs of the cluster before this one.
func (c *Cluster) rotateLogs() error {
	previous := c.path("logs.previous")
	if err := os.RemoveAll(previous); err != nil {
		return fmt.Errorf("remove old logs: %w", err)
	}
	if err := os.Rename(c.LogDir(), previous); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep old logs: %w", err)
	}
	return os.MkdirAll(c.LogDir(), 0o755)
}

// prepare writes certificates and settings. From its first file on there is something for Down to undo.
func (c *Cluster) prepare(context.Context) (string, error) {
	old, err := c.readState()
	if err != nil {
		return "", err
	}
	if old == nil {
		if err := refuseOtherKubelet(cgroupRoot); err != nil {
			return "", err
		}
		boot, err := proc.Boot()
		if err != nil {
			return "", err
		}
		old = &state{Boot: boot, Kernel: readKernel("/proc/sys")}
	}
	old.HPASyncPeriod, old.Repository = c.hpa, c.repo
	if err := c.writeState(old); err != nil {
		return "", err
	}
	for _, dir := range []string{"run/records", "run/pki", "run/keda-pki", "run/home", "cd"} {
		if err := os.MkdirAll(c.path(dir), 0o700); err != nil {
			return "", err
		}
	}
	if err := c.makeCertificates(); err != nil {
		return "", err
	}
	return "", c.writeSettings()
}

// makeCertificates makes all or, if they were made before, none. The mark comes last.
func (c *Cluster) makeCertificates() error {
	mark := c.pki("complete")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	dir := c.path("run", "pki")
	ca, err := pki.NewAuthority(dir)
	if err != nil {
		return err
	}
	for _, subject := range []pki.Subject{
		{Name: "apiserver", CommonName: "kube-apiserver", Hosts: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", loopback, bridgeIP, serviceIP,
		}},
		{Name: "admin", CommonName: "admin", Organization: "system:masters"},
		{Name: "node", CommonName: "system:node:" + node, Organization: "system:nodes"},
		{Name: "kubelet", CommonName: node, Hosts: []string{node, bridgeIP}},
		{Name: "front-proxy", CommonName: "front-proxy"},
		{Name: "local", CommonName: "localhost", Hosts: []string{"localhost", loopback}},
		{Name: "keda", CommonName: "keda", Hosts: []string{"localhost", loopback, "keda-metrics-apiserver.keda.svc"}},
	} {
		if err := ca.Issue(subject); err != nil {
			return err
		}
	}
	if err := pki.NewKeyPair(dir, "sa"); err != nil {
		return err
	}
	for from, to := range map[string]string{"ca.crt": "ca.crt", "keda.crt": "tls.crt", "keda.key": "tls.key"} {
		text, err := os.ReadFile(c.pki(from))
		if err != nil {
			return err
		}
		if err := writeChanged(c.path("run", "keda-pki", to), text, 0o600); err != nil {
			return err
		}
	}
	return writeChanged(mark, nil, 0o600)
}
