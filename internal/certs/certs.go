// Package certs keeps the certificates of a server, which may want one from each client too, as files in a directory hold them.
//
// The files are read again and again while Run runs: new connections get what is there, connections that are open keep what
// they began with. Files that cannot be used change nothing, and are told of in the log and in a metric. The package knows
// nothing of what is served. Run ends on its context.
package certs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// The files of the directory, named as in a Kubernetes secret of type kubernetes.io/tls.
const (
	CertFile = "tls.crt" // the server's certificate, with its chain
	KeyFile  = "tls.key"
	CAFile   = "ca.crt" // who may have signed the certificates of clients
)

// DefaultInterval is how often the files are read.
const DefaultInterval = 5 * time.Second

// Config says where the files are.
type Config struct {
	Dir       string
	NoClients bool                  // clients are asked for no certificate, and there is no ca.crt
	Interval  time.Duration         // between two looks
	Protocols []string              // what the server speaks, for ALPN: h2 for gRPC
	Metrics   prometheus.Registerer // nil counts nowhere
	Now       func() time.Time      // nil is the clock of this machine
	Logger    *zap.Logger
}

// Store has the certificates that new connections get.
type Store struct {
	cfg     Config
	log     *zap.Logger
	metrics *metrics
	now     atomic.Pointer[tls.Config]

	used, seen files // by what is in now, and by the last look; only Run writes them
	ended      bool  // what is in now has expired, and it was told
}

type files struct{ cert, key, ca []byte }

// Open reads the files for the first time. They must be good then.
func Open(cfg Config) (*Store, error) {
	cfg.Interval = cmp.Or(cfg.Interval, DefaultInterval)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Store{cfg: cfg, log: cmp.Or(cfg.Logger, zap.NewNop())}
	var err error
	if s.metrics, err = newMetrics(cfg.Metrics); err != nil {
		return nil, err
	}
	f, err := s.read()
	if err == nil {
		err = s.use(f)
	}
	if err != nil {
		return nil, fmt.Errorf("read certificates in %s: %w", cfg.Dir, err)
	}
	return s, nil
}

// Server is the configuration of a server. Unless the store is without clients, it asks for a client's certificate and takes none
// but those that ca.crt has signed.
func (s *Store) Server() *tls.Config {
	return &tls.Config{
		MinVersion: s.cfg.oldest(), NextProtos: s.cfg.Protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.now.Load(), nil },
	}
}

// oldest is the version of TLS that is still spoken: the newest with programs of ours and KEDA, and 1.2 with everybody else.
func (c Config) oldest() uint16 {
	if c.NoClients {
		return tls.VersionTLS12
	}
	return tls.VersionTLS13
}

// Run reads the files at every interval until ctx ends. It does not wait for the file system to tell of changes: a secret
// volume swaps links, other file systems tell nothing, and reading three small files costs nothing.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.look()
		}
	}
}

// look takes what is new, and tells once of what cannot be used.
func (s *Store) look() {
	f, err := s.read()
	if err == nil && f.equal(s.used) {
		s.seen = f
		s.lookAtUsed() // perhaps put back
		return
	}
	if err == nil {
		if err = s.use(f); err == nil {
			s.log.Info("certificates are new", zap.Time("expires", s.expiry()))
			return
		}
	}
	if !f.equal(s.seen) {
		s.log.Error("certificates on disk cannot be used, the old ones stay",
			zap.String("directory", s.cfg.Dir), zap.Time("expires", s.expiry()), zap.Error(err))
	}
	s.seen = f
	s.metrics.broken.Set(1)
}

// lookAtUsed tells once of certificates that have expired while they serve: nothing else is there.
func (s *Store) lookAtUsed() {
	err := s.used.valid(s.cfg.Now())
	switch {
	case err == nil:
		s.metrics.broken.Set(0)
	case !s.ended:
		s.log.Error("certificates have expired, no connection can be made until there are new ones",
			zap.String("directory", s.cfg.Dir), zap.Error(err))
		s.metrics.broken.Set(1)
	default:
		s.metrics.broken.Set(1)
	}
	s.ended = err != nil
}

func (s *Store) expiry() time.Time { return s.now.Load().Certificates[0].Leaf.NotAfter }

// read returns what could be read, and what could not be.
func (s *Store) read() (files, error) {
	var f files
	var err1, err2, err3 error
	f.cert, err1 = os.ReadFile(filepath.Join(s.cfg.Dir, CertFile))
	f.key, err2 = os.ReadFile(filepath.Join(s.cfg.Dir, KeyFile))
	if !s.cfg.NoClients {
		f.ca, err3 = os.ReadFile(filepath.Join(s.cfg.Dir, CAFile))
	}
	return f, errors.Join(err1, err2, err3)
}

// use makes the files what new connections get.
func (s *Store) use(f files) error {
	pair, err := tls.X509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", CertFile, KeyFile, err)
	}
	cfg := &tls.Config{MinVersion: s.cfg.oldest(), NextProtos: s.cfg.Protocols, Certificates: []tls.Certificate{pair}}
	if !s.cfg.NoClients {
		cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !cfg.ClientCAs.AppendCertsFromPEM(f.ca) {
			return fmt.Errorf("%s: holds no certificate in PEM", CAFile)
		}
	}
	if err := f.valid(s.cfg.Now()); err != nil {
		return err
	}
	s.now.Store(cfg)
	s.used, s.seen, s.ended = f, f, false
	s.metrics.broken.Set(0)
	s.metrics.loads.Inc()
	s.metrics.expiry.Set(float64(pair.Leaf.NotAfter.Unix()))
	return nil
}

func (f files) equal(g files) bool {
	return bytes.Equal(f.cert, g.cert) && bytes.Equal(f.key, g.key) && bytes.Equal(f.ca, g.ca)
}
