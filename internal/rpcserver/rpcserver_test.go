package rpcserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pelton-dev/pelton/internal/rpcserver"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// service is one in the test's own hands.
type service struct {
	unary  func(ctx context.Context) error
	stream func(grpc.ServerStream) error
}

var description = grpc.ServiceDesc{
	ServiceName: "test.Service", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: handleUnary}},
	Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, Handler: func(srv any, s grpc.ServerStream) error {
		return srv.(*service).stream(s)
	}}},
}

var handleUnary = func(srv any, ctx context.Context, decode func(any) error, guard grpc.UnaryServerInterceptor) (any, error) {
	in := &wrapperspb.BytesValue{}
	if err := decode(in); err != nil {
		return nil, err
	}
	call := func(ctx context.Context, _ any) (any, error) { return &emptypb.Empty{}, srv.(*service).unary(ctx) }
	return guard(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/test.Service/Unary"}, call)
}

// rig is a running server and a client.
type rig struct {
	t       *testing.T
	conn    *grpc.ClientConn
	health  healthpb.HealthClient
	metrics *prometheus.Registry
	logs    *observer.ObservedLogs
	unready atomic.Pointer[string]
	cancel  context.CancelFunc
	done    chan error
}

func start(t *testing.T, cfg rpcserver.Config, srv *service) *rig {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	r := &rig{t: t, metrics: prometheus.NewRegistry(), logs: logs, done: make(chan error, 1)}
	r.say("")
	cfg.Address, cfg.Metrics, cfg.Logger = "127.0.0.1:0", r.metrics, zap.New(core)
	s, err := rpcserver.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.RegisterService(&description, srv)
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() {
		r.done <- s.Run(ctx, func() error {
			if reason := *r.unready.Load(); reason != "" {
				return errors.New(reason)
			}
			return nil
		})
		close(r.done)
	}()
	if r.conn, err = grpc.NewClient(s.Address(), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	r.health = healthpb.NewHealthClient(r.conn)
	t.Cleanup(r.stop)
	return r
}

func (r *rig) stop() {
	r.t.Helper()
	r.cancel()
	if err := waittest.Receive(r.t, r.done); err != nil {
		r.t.Errorf("run: %v", err)
	}
	_ = r.conn.Close()
}

func (r *rig) say(reason string) { r.unready.Store(&reason) }

func (r *rig) call(size int) error {
	in := &wrapperspb.BytesValue{Value: make([]byte, size)}
	return r.conn.Invoke(r.t.Context(), "/test.Service/Unary", in, &emptypb.Empty{})
}

func (r *rig) open() (grpc.ClientStream, error) {
	s, err := r.conn.NewStream(r.t.Context(), &description.Streams[0], "/test.Service/Stream")
	if err != nil {
		return nil, err
	}
	return s, s.CloseSend()
}

func (r *rig) awaitHealth(want healthpb.HealthCheckResponse_ServingStatus) {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		res, err := r.health.Check(r.t.Context(), &healthpb.HealthCheckRequest{})
		if err == nil && res.Status != want {
			return fmt.Errorf("health is %v, want %v", res.Status, want)
		}
		return err
	})
}

// TestHealth follows what the services say.
func TestHealth(t *testing.T) {
	t.Parallel()
	r := start(t, rpcserver.Config{}, &service{})
	r.awaitHealth(healthpb.HealthCheckResponse_SERVING)
	r.say("no queue")
	r.awaitHealth(healthpb.HealthCheckResponse_NOT_SERVING)
	r.say("")
	r.awaitHealth(healthpb.HealthCheckResponse_SERVING)
	if n := r.logs.FilterMessage("it is not ready").FilterField(zap.String("reason", "no queue")).Len(); n != 1 {
		t.Errorf("the log says %d times that it was not ready, want 1", n)
	}
}

// panics is a message whose coding panics.
type panics struct{}

func (panics) ProtoReflect() protoreflect.Message { panic("secret") }

// TestPanic makes one call panic, and one stream: each is an error of its own, and the server goes on.
func TestPanic(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	r := start(t, rpcserver.Config{}, &service{
		unary: func(context.Context) error {
			if calls.Add(1) == 1 {
				panic("secret")
			}
			return nil
		},
		stream: func(s grpc.ServerStream) error { return s.SendMsg(panics{}) },
	})
	if err := r.call(1); status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") {
		t.Errorf("call that panics: %v", err)
	}
	s, err := r.open()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(&emptypb.Empty{}); status.Code(err) != codes.Internal {
		t.Errorf("stream that panics: %v", err)
	}
	if err := r.call(1); err != nil {
		t.Errorf("the next call: %v", err)
	}
	if n := r.logs.FilterMessage("call panicked").FilterField(zap.String("panic", "secret")).Len(); n != 2 {
		t.Errorf("the log tells of %d panics, want 2", n)
	}
	r.awaitMetric("pelton_rpc_calls_total", "Calls that have ended, by gRPC code; streams count when they end.", "counter",
		`{code="Internal",method="/test.Service/Stream"} 1`, `{code="Internal",method="/test.Service/Unary"} 1`,
		`{code="OK",method="/test.Service/Unary"} 1`)
}

func (r *rig) awaitMetric(name, help, kind string, lines ...string) {
	r.t.Helper()
	text := "# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n"
	for _, line := range lines {
		text += name + line + "\n"
	}
	waittest.Eventually(r.t, func() error { return testutil.GatherAndCompare(r.metrics, strings.NewReader(text), name) })
}

// TestTooLarge refuses a message over the limit.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	r := start(t, rpcserver.Config{}, &service{unary: func(context.Context) error { return nil }})
	if err := r.call(63 << 10); err != nil {
		t.Errorf("63 KiB: %v", err)
	}
	if err := r.call(64 << 10); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("64 KiB and its frame: %v", err)
	}
}

// TestStop ends a server while a watch of its health and a stream are open: the stream has its time, and ends as one.
func TestStop(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r := start(t, rpcserver.Config{StopTimeout: time.Hour}, &service{stream: func(s grpc.ServerStream) error {
		if err := s.SendMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		<-release
		return nil
	}})
	s, err := r.open()
	if err == nil {
		err = s.RecvMsg(&emptypb.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
	r.awaitMetric("pelton_rpc_open_streams", "Streams that are open.", "gauge", `{method="/test.Service/Stream"} 1`)
	r.awaitMetric("pelton_rpc_pushes_total", "Messages sent on streams.", "counter", `{method="/test.Service/Stream"} 1`)
	watch, err := r.health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	r.cancel()
	for err == nil {
		_, err = watch.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("watch ended with %v", err)
	}
	close(release)
	if err := s.RecvMsg(&emptypb.Empty{}); !errors.Is(err, io.EOF) {
		t.Errorf("stream ended with %v", err)
	}
}

// TestStopTimeout cuts a call that does not end.
func TestStopTimeout(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	r := start(t, rpcserver.Config{StopTimeout: 50 * time.Millisecond}, &service{unary: func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	}})
	called := make(chan error, 1)
	go func() { called <- r.call(1) }()
	waittest.Receive(t, began)
	r.cancel()
	if err := waittest.Receive(t, called); status.Code(err) != codes.Unavailable {
		t.Errorf("call that was cut: %v", err)
	}
	r.awaitMetric("pelton_rpc_calls_total", "Calls that have ended, by gRPC code; streams count when they end.", "counter",
		`{code="Canceled",method="/test.Service/Unary"} 1`)
}
