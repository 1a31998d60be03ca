// Package rpcserver is a gRPC server for many streams that are mostly idle: small buffers, bounds on everything a client
// sends, health, metrics, and an end that clients see as one.
//
// It knows nothing of the services. Run serves until its context ends, waits for calls that run, and cuts them when that takes
// too long; who has streams open ends them first.
package rpcserver

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// Defaults of Config.
const (
	DefaultMaxStreams  = 65536
	DefaultStopTimeout = 10 * time.Second
)

const (
	maxMessage        = 64 << 10 // a reference and its metadata
	maxHeaders        = 64 << 10
	bufferSize        = 4 << 10 // for each connection and direction
	connectionTimeout = 10 * time.Second
	pingAfter         = 30 * time.Second // of silence
	pingTimeout       = 10 * time.Second
	pingAtMost        = 5 * time.Second // how often a client may ping
)

// Config says how to serve.
type Config struct {
	Address     string
	TLS         *tls.Config   // nil is plaintext
	MaxStreams  uint32        // on one connection at once
	StopTimeout time.Duration // how long calls may go on once Run has to end

	Metrics prometheus.Registerer // nil counts nowhere
	Logger  *zap.Logger
}

// Server is a gRPC server. Services are registered before Run.
type Server struct {
	*grpc.Server
	cfg      Config
	log      *zap.Logger
	listener net.Listener
	health   *health
}

// Listen makes a server that listens. Nothing is answered before Run.
func Listen(cfg Config) (*Server, error) {
	cfg.MaxStreams = cmp.Or(cfg.MaxStreams, DefaultMaxStreams)
	cfg.StopTimeout = cmp.Or(cfg.StopTimeout, DefaultStopTimeout)
	s := &Server{cfg: cfg, log: cmp.Or(cfg.Logger, zap.NewNop()), health: newHealth()}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", cfg.Address); err != nil {
		return nil, fmt.Errorf("listen for gRPC: %w", err)
	}
	g := &guard{log: s.log, metrics: m}
	s.Server = grpc.NewServer(s.options(g)...)
	s.health.register(s.Server)
	return s, nil
}

func (s *Server) options(g *guard) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(g.unary), grpc.StreamInterceptor(g.stream),
		grpc.MaxConcurrentStreams(s.cfg.MaxStreams), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxHeaderListSize(maxHeaders),
		grpc.ReadBufferSize(bufferSize), grpc.WriteBufferSize(bufferSize),
		grpc.ConnectionTimeout(connectionTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingAtMost, PermitWithoutStream: true}),
	}
	if s.cfg.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(s.cfg.TLS)))
	}
	return options
}

// Address is where it listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Run serves until ctx ends. unready, asked every now and then, says what grpc.health.v1 answers: it returns why the services
// cannot do their work, or nil.
func (s *Server) Run(ctx context.Context, unready func() error) error {
	s.log.Info("gRPC is served", zap.String("address", s.Address()), zap.Bool("tls", s.cfg.TLS != nil))
	served := make(chan error, 1)
	go func() { served <- s.Serve(s.listener) }()
	watching, unwatch := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		s.health.follow(watching, unready, s.log)
		close(watched)
	}()
	defer func() {
		unwatch()
		<-watched
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve gRPC: %w", err)
	case <-ctx.Done():
		s.stop()
		<-served
		return nil
	}
}

// stop lets calls end, and cuts what has not ended in time.
func (s *Server) stop() {
	s.health.end()
	late := time.AfterFunc(s.cfg.StopTimeout, func() {
		s.log.Warn("calls have not ended in time, they are cut", zap.Duration("timeout", s.cfg.StopTimeout))
		s.Stop()
	})
	defer late.Stop()
	s.GracefulStop()
}
