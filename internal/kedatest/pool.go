package kedatest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// serviceConfig is KEDA's: every call goes to the next address.
const serviceConfig = `{"loadBalancingConfig": [{"round_robin":{}}]}`

// connectTimeout is gRPC's own for one attempt to connect. It is not divided by the speed: the network is not faster.
const connectTimeout = 20 * time.Second

var errNoConnection = errors.New("no pooled connection, the scaler is closed")

// pool is the one connection that all objects share. It is made with the first share and closed with the last: an operator
// whose objects have all just met an error has none, and its push streams end with it.
type pool struct {
	cfg Config

	mu        sync.Mutex // guards all below
	addresses []string
	shares    int
	conn      *grpc.ClientConn // nil without shares
	resolver  *manual.Resolver // of conn
}

func newPool(cfg Config) *pool { return &pool{cfg: cfg, addresses: slices.Clone(cfg.Addresses)} }

func (p *pool) acquire() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		if err := p.dial(); err != nil {
			return err
		}
	}
	p.shares++
	return nil
}

// dial makes the connection; gRPC connects when it is first used. The caller holds mu.
func (p *pool) dial() error {
	r := manual.NewBuilderWithScheme("kedatest")
	r.InitialState(state(p.addresses))
	retry := backoff.DefaultConfig
	retry.BaseDelay = time.Duration(float64(retry.BaseDelay) / p.cfg.Speed)
	retry.MaxDelay = time.Duration(float64(retry.MaxDelay) / p.cfg.Speed)
	conn, err := grpc.NewClient("kedatest:///scaler", grpc.WithResolvers(r),
		grpc.WithTransportCredentials(p.cfg.Credentials), grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: connectTimeout}))
	if err != nil {
		return fmt.Errorf("make connection: %w", err)
	}
	p.conn, p.resolver = conn, r
	return nil
}

func (p *pool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shares--; p.shares == 0 {
		_ = p.conn.Close() // its only error says that it is closed
		p.conn, p.resolver = nil, nil
	}
}

// client looks the connection up and never makes one: a stream that outlives the last share finds none.
func (p *pool) client() (pb.ExternalScalerClient, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return nil, errNoConnection
	}
	return pb.NewExternalScalerClient(p.conn), nil
}

func (p *pool) resolve(addresses []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addresses = slices.Clone(addresses)
	if p.resolver != nil {
		p.resolver.UpdateState(state(addresses))
	}
}

func state(addresses []string) resolver.State {
	var s resolver.State
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	return s
}
