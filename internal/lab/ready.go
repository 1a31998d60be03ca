package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/pelton-dev/pelton/internal/lab/daemon"
)

// oneCheck bounds one look at something that may hang.
const oneCheck = 5 * time.Second

// healthy returns a check that asks a URL as the cluster's administrator.
func (c *Cluster) healthy(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.get(ctx, url)
		return err
	}
}

// get returns what a server of the cluster answers with status 200.
func (c *Cluster) get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, oneCheck)
	defer cancel()
	config, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: %s: %s", url, response.Status, lastLines(string(body), 3))
	}
	return body, err
}

func (c *Cluster) tlsConfig() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.pki("admin.crt"), c.pki("admin.key"))
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	ca, err := os.ReadFile(c.pki("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}, nil
}

// containerdReady asks containerd over its socket.
func (c *Cluster) containerdReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, oneCheck)
	defer cancel()
	conn, err := grpc.NewClient("unix://"+c.dir+containerdSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil && answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		err = fmt.Errorf("it says %v", answer.GetStatus())
	}
	return err
}

// nodeReady reports whether pods can be started.
func (c *Cluster) nodeReady(ctx context.Context) error {
	return c.condition(ctx, apiURL("/api/v1/nodes/"+node), "Ready")
}

// metricsAvailable reports whether the autoscaler reaches KEDA's metrics.
func (c *Cluster) metricsAvailable(ctx context.Context) error {
	return c.condition(ctx, apiURL("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io"), "Available")
}

// condition returns nil if an object has a condition that is True, and otherwise what the condition says.
func (c *Cluster) condition(ctx context.Context, url, kind string) error {
	body, err := c.get(ctx, url)
	if err != nil {
		return err
	}
	var object struct {
		Status struct {
			Conditions []struct{ Type, Status, Reason, Message string }
		}
	}
	if err := json.Unmarshal(body, &object); err != nil {
		return fmt.Errorf("decode %s: %w", url, err)
	}
	for _, condition := range object.Status.Conditions {
		switch {
		case condition.Type == kind && condition.Status == "True":
			return nil
		case condition.Type == kind:
			return fmt.Errorf("not %s: %s: %s", kind, condition.Reason, condition.Message)
		}
	}
	return fmt.Errorf("no condition %s yet", kind)
}

// await polls a check until it passes. It gives up when ended returns an error, or with the last problem after patience.
func await(ctx context.Context, ended func() error, check func(context.Context) error) error {
	return awaitFor(ctx, patience, ended, check)
}

func awaitFor(ctx context.Context, patience time.Duration, ended func() error, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if gone := ended(); gone != nil {
			return gone
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("still after %v: %w", patience, err)
			}
			return ctx.Err()
		}
	}
}

func never() error { return nil }

// awaitReady waits for a component that has been started. One that ends is not waited for.
func (c *Cluster) awaitReady(ctx context.Context, part component, rec daemon.Record) error {
	log := c.keeper.LogPath(part.name)
	err := await(ctx, func() error {
		if rec.Alive() {
			return nil
		}
		text, _ := os.ReadFile(log) // without a log there is nothing to tell
		return fmt.Errorf("it ended; the last lines of its log:\n%s", lastLines(string(text), 8))
	}, part.ready)
	if err != nil {
		return fmt.Errorf("%w (log: %s)", err, log)
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
