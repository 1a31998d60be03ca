package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/scalers"
)

// process is a running scaler.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  string        // file with its stderr
	done chan struct{} // closed when it has ended
}

// start starts a scaler with that environment, and ends it with the test.
func start(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{t: t, log: filepath.Join(t.TempDir(), "log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"), roleEnv+"="+roleScaler,
		"PELTON_HEALTH_ADDRESS=127.0.0.1:0", "PELTON_SCALER_ADDRESS=127.0.0.1:0")
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.finish)
	return p
}

func (p *process) finish() {
	_ = p.cmd.Process.Kill()
	<-p.done
	if p.t.Failed() {
		p.t.Logf("the scaler wrote:\n%s", p.output())
	}
}

func (p *process) output() string {
	data, _ := os.ReadFile(p.log)
	return string(data)
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end of the process and returns its exit code, -1 after a signal.
func (p *process) end() int {
	p.t.Helper()
	waittest.Receive(p.t, p.done)
	return p.cmd.ProcessState.ExitCode()
}

// address is where it listens, from its log.
func (p *process) address(message string) string {
	p.t.Helper()
	address := ""
	waittest.Eventually(p.t, func() error {
		for line := range strings.Lines(p.output()) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == message {
				address = entry.Address
				return nil
			}
		}
		select {
		case <-p.done:
			p.t.Fatalf("it has ended and never said %q", message)
		default:
		}
		return fmt.Errorf("it does not say %q", message)
	})
	return address
}

// get asks over HTTP.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	res, err := http.Get("http://" + p.address("probes are answered") + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(body))
}

// await waits until it answers with the status, and a text in the body.
func (p *process) await(path string, status int, part string) {
	p.t.Helper()
	waittest.Eventually(p.t, func() error {
		if got, body := p.get(path); got != status || !strings.Contains(body, part) {
			return fmt.Errorf("%s: %d %s, want %d %q", path, got, body, status, part)
		}
		return nil
	})
}

// client talks to it over gRPC, without TLS if cfg is nil.
type client struct {
	t      *testing.T
	keda   externalscaler.ExternalScalerClient
	health healthpb.HealthClient
}

func (p *process) dial(cfg *tls.Config) *client {
	p.t.Helper()
	creds := insecure.NewCredentials()
	if cfg != nil {
		creds = credentials.NewTLS(cfg)
	}
	conn, err := grpc.NewClient(p.address("gRPC is served"), grpc.WithTransportCredentials(creds))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return &client{p.t, externalscaler.NewExternalScalerClient(conn), healthpb.NewHealthClient(conn)}
}

// awaitHealth waits until grpc.health.v1 answers so.
func (c *client) awaitHealth(want healthpb.HealthCheckResponse_ServingStatus) {
	c.t.Helper()
	waittest.Eventually(c.t, func() error {
		res, err := c.health.Check(c.t.Context(), &healthpb.HealthCheckRequest{})
		if err == nil && res.Status != want {
			return fmt.Errorf("health is %v, want %v", res.Status, want)
		}
		return err
	})
}

// object is a ScaledObject on the consumer that newQueue makes.
var object = &externalscaler.ScaledObjectRef{Namespace: "default", Name: "worker", ScalerMetadata: map[string]string{
	"scalerAddress": "pelton-scaler:9090", "stream": "ORDERS", "consumer": "worker", "concurrency": "2",
}}

// metrics is what KEDA asks for it.
var metrics = &externalscaler.GetMetricsRequest{ScaledObjectRef: object, MetricName: scalers.MetricName}

// awaitActive asks until it is told whether work waits.
func (c *client) awaitActive(want bool) {
	c.t.Helper()
	waittest.Eventually(c.t, func() error {
		res, err := c.keda.IsActive(c.t.Context(), object)
		if err == nil && res.Result != want {
			return fmt.Errorf("active is %v, want %v", res.Result, want)
		}
		return err
	})
}

// push opens a stream that stays open, and returns what it told first: soon after the start of a scaler, an object's first
// stream is ended at once.
func (c *client) push() (externalscaler.ExternalScaler_StreamIsActiveClient, bool) {
	c.t.Helper()
	s, err := c.keda.StreamIsActive(c.t.Context(), object)
	if err != nil {
		c.t.Fatal(err)
	}
	for err == nil {
		_, err = s.Recv()
	}
	if !errors.Is(err, io.EOF) {
		c.t.Fatalf("first stream: %v", err)
	}
	if s, err = c.keda.StreamIsActive(c.t.Context(), object); err != nil {
		c.t.Fatal(err)
	}
	res, err := s.Recv()
	if err != nil {
		c.t.Fatal(err)
	}
	return s, res.Result
}

// newQueue starts a server with stream ORDERS and consumer worker.
func newQueue(t *testing.T, options ...natstest.Option) (*natstest.Server, jetstream.JetStream) {
	t.Helper()
	srv := natstest.Start(t, append([]natstest.Option{natstest.Listen()}, options...)...)
	js := srv.JetStream(t)
	makeQueue(t.Context(), t, js)
	return srv, js
}

func makeQueue(ctx context.Context, t *testing.T, js jetstream.JetStream) {
	t.Helper()
	s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
	if err != nil {
		t.Fatal(err)
	}
	c := jetstream.ConsumerConfig{Durable: "worker", AckPolicy: jetstream.AckExplicitPolicy}
	if _, err := s.CreateConsumer(ctx, c); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	if _, err := js.Publish(t.Context(), "orders.new", []byte("x")); err != nil {
		t.Fatal(err)
	}
}
