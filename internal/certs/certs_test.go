package certs_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pelton-dev/pelton/internal/certs"
	"github.com/pelton-dev/pelton/internal/certs/certstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// rig is a TLS server whose store looks all the time.
type rig struct {
	t       *testing.T
	dir     string
	address string
	metrics *prometheus.Registry
}

func start(t *testing.T, dir string) *rig {
	t.Helper()
	r := &rig{t: t, dir: dir, metrics: prometheus.NewRegistry()}
	store, err := certs.Open(certs.Config{Dir: dir, Interval: 5 * time.Millisecond, Metrics: r.metrics})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		if err := store.Run(t.Context()); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	l, err := tls.Listen("tcp", "127.0.0.1:0", store.Server())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	r.address = l.Addr().String()
	go echo(l)
	return r
}

// echo sends back what comes.
func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = c.Close() }()
			b := make([]byte, 1)
			for {
				if _, err := c.Read(b); err != nil {
					return
				}
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}()
	}
}

// dial connects, sends and receives: a refused client certificate shows only then.
func (r *rig) dial(cfg *tls.Config) (*tls.Conn, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 30 * time.Second}, "tcp", r.address, cfg)
	if err != nil {
		return nil, err
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c, speak(c)
}

func speak(c *tls.Conn) error {
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}

// name is the one in the certificate that new connections get.
func (r *rig) awaitName(cfg *tls.Config, want string) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		c, err := r.dial(cfg)
		if err != nil {
			return err
		}
		if got := c.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			return fmt.Errorf("the server is %q, want %q", got, want)
		}
		return nil
	})
}

// awaitBroken waits until the metric says whether what is on disk can be used.
func (r *rig) awaitBroken(want int) {
	r.t.Helper()
	text := fmt.Sprintf("# HELP pelton_tls_broken 1 while the certificates on disk cannot be used and older ones serve.\n"+
		"# TYPE pelton_tls_broken gauge\npelton_tls_broken %d\n", want)
	waittest.Eventually(r.t, func() error {
		return testutil.GatherAndCompare(r.metrics, strings.NewReader(text), "pelton_tls_broken")
	})
}

// TestClients takes those of the authority, and no others.
func TestClients(t *testing.T) {
	t.Parallel()
	ca, other, dir := certstest.NewCA(t), certstest.NewCA(t), t.TempDir()
	ca.Server(dir, "one")
	r := start(t, dir)
	if _, err := r.dial(ca.Client(ca)); err != nil {
		t.Errorf("client of the authority: %v", err)
	}
	if _, err := r.dial(ca.Client(nil)); err == nil {
		t.Error("a client without a certificate is taken")
	}
	if _, err := r.dial(ca.Client(other)); err == nil {
		t.Error("a client of another authority is taken")
	}
	old := ca.Client(ca)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, err := r.dial(old); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
}

// TestRotation swaps the links of a directory as a Kubernetes secret volume does, with a connection open.
func TestRotation(t *testing.T) {
	t.Parallel()
	ca, next, dir := certstest.NewCA(t), certstest.NewCA(t), t.TempDir()
	swap := func(generation string, by *certstest.CA) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, generation), 0o700); err != nil {
			t.Fatal(err)
		}
		by.Server(filepath.Join(dir, generation), generation)
		link := filepath.Join(dir, "..tmp")
		if err := os.Symlink(generation, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	swap("one", ca)
	for _, name := range []string{certs.CertFile, certs.KeyFile, certs.CAFile} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, dir)
	open, err := r.dial(ca.Client(ca))
	if err != nil {
		t.Fatal(err)
	}
	swap("two", ca)
	r.awaitName(ca.Client(ca), "two")
	swap("three", next)
	r.awaitName(next.Client(next), "three")
	if _, err := r.dial(next.Client(ca)); err == nil {
		t.Error("a client of the authority before is taken")
	}
	if err := speak(open); err != nil {
		t.Errorf("the connection from before: %v", err)
	}
}

// TestBrokenFiles breaks them one way after another: the old certificate stays, the metric says so, and good files end it.
func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t)
	cert, _ := ca.Sign("stranger", time.Now().Add(time.Hour))
	expired, expiredKey := ca.Sign("expired", time.Now().Add(-time.Minute))
	for name, broken := range map[string]map[string][]byte{
		"no certificate":        {certs.CertFile: []byte("nonsense")},
		"half a certificate":    {certs.CertFile: cert[:len(cert)/2]},
		"key of another":        {certs.CertFile: cert},
		"no authority":          {certs.CAFile: nil},
		"expired before it was": {certs.CertFile: expired, certs.KeyFile: expiredKey},
		"a file is gone":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ca.Server(dir, "one")
			r := start(t, dir)
			r.awaitBroken(0)
			certstest.Write(t, dir, broken)
			if broken == nil {
				if err := os.Remove(filepath.Join(dir, certs.KeyFile)); err != nil {
					t.Fatal(err)
				}
			}
			r.awaitBroken(1)
			r.awaitName(ca.Client(ca), "one")
			ca.Server(dir, "two")
			r.awaitBroken(0)
			r.awaitName(ca.Client(ca), "two")
		})
	}
}

// TestOpen fails where a rotation would go on with the old files: there are none.
func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := certs.Open(certs.Config{Dir: dir})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	for _, name := range []string{certs.CertFile, certs.KeyFile, certs.CAFile} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
}

// TestNoClients: a server of everybody wants no authority, and asks for no certificate.
func TestNoClients(t *testing.T) {
	t.Parallel()
	ca, dir := certstest.NewCA(t), t.TempDir()
	ca.Server(dir, "one")
	if err := os.Remove(filepath.Join(dir, certs.CAFile)); err != nil {
		t.Fatal(err)
	}
	store, err := certs.Open(certs.Config{Dir: dir, NoClients: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", store.Server())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go echo(l)
	r := &rig{t: t, address: l.Addr().String()}
	if _, err := r.dial(ca.Client(nil)); err != nil {
		t.Errorf("a client without a certificate: %v", err)
	}
	old := ca.Client(nil)
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	if _, err := r.dial(old); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	expired, key := ca.Sign("expired", time.Now().Add(-time.Minute))
	certstest.Write(t, dir, map[string][]byte{certs.CertFile: expired, certs.KeyFile: key})
	if _, err := certs.Open(certs.Config{Dir: dir, NoClients: true}); err == nil || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("an expired certificate: %v", err)
	}
}
