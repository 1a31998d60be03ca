package kedatest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/kedatest"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

const metric = "work"

// scripted is a scaler whose answers a test writes.
type scripted struct {
	pb.UnimplementedExternalScalerServer

	addr  string
	srv   *grpc.Server
	push  chan bool // sent to whoever has StreamIsActive open
	specs chan *pb.GetMetricSpecResponse
	end   chan error // ends one StreamIsActive: nil is a clean end

	mu         sync.Mutex // guards all below
	spec       *pb.GetMetricSpecResponse
	specErr    error
	values     []*pb.MetricValue
	metricsErr error
	active     bool
	noStream   bool          // StreamMetricSpec is unimplemented
	hang       chan struct{} // GetMetrics waits until it is closed
	calls      map[string]int
	peers      map[string]bool
	deadlines  int
	metricName string
}

func start(t *testing.T) *scripted {
	t.Helper()
	s := &scripted{
		push: make(chan bool), specs: make(chan *pb.GetMetricSpecResponse), end: make(chan error),
		calls: map[string]int{}, peers: map[string]bool{}, spec: target(1), values: value(0),
	}
	s.serve(t, fmt.Sprintf("127.0.0.1:%d", testenv.HoldPort(t)))
	return s
}

func (s *scripted) serve(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	pb.RegisterExternalScalerServer(srv, s)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	s.addr, s.srv = l.Addr().String(), srv
}

func target(n float64) *pb.GetMetricSpecResponse {
	return &pb.GetMetricSpecResponse{MetricSpecs: []*pb.MetricSpec{{MetricName: metric, TargetSizeFloat: n}}}
}

func value(ns ...float64) []*pb.MetricValue {
	var vs []*pb.MetricValue
	for _, n := range ns {
		vs = append(vs, &pb.MetricValue{MetricName: "any", MetricValueFloat: n})
	}
	return vs
}

// set changes answers.
func (s *scripted) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *scripted) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

// called counts a call. The caller holds mu.
func (s *scripted) called(ctx context.Context, call string) {
	s.calls[call]++
	if _, ok := ctx.Deadline(); ok {
		s.deadlines++
	}
	if p, ok := peer.FromContext(ctx); ok {
		s.peers[p.Addr.String()] = true
	}
}

func (s *scripted) IsActive(ctx context.Context, _ *pb.ScaledObjectRef) (*pb.IsActiveResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called(ctx, "IsActive")
	return &pb.IsActiveResponse{Result: s.active}, nil
}

func (s *scripted) GetMetricSpec(ctx context.Context, _ *pb.ScaledObjectRef) (*pb.GetMetricSpecResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called(ctx, "GetMetricSpec")
	return s.spec, s.specErr
}

func (s *scripted) GetMetrics(ctx context.Context, r *pb.GetMetricsRequest) (*pb.GetMetricsResponse, error) {
	s.mu.Lock()
	s.called(ctx, "GetMetrics")
	s.metricName = r.GetMetricName()
	hang := s.hang
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &pb.GetMetricsResponse{MetricValues: s.values}, s.metricsErr
}

func (s *scripted) StreamIsActive(_ *pb.ScaledObjectRef, stream pb.ExternalScaler_StreamIsActiveServer) error {
	s.set(func() { s.called(stream.Context(), "StreamIsActive") })
	for {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case active := <-s.push:
			if err := stream.Send(&pb.IsActiveResponse{Result: active}); err != nil {
				return err
			}
		case err := <-s.end:
			return err
		}
	}
}

func (s *scripted) StreamMetricSpec(_ *pb.ScaledObjectRef, stream pb.ExternalScaler_StreamMetricSpecServer) error {
	var none bool
	s.set(func() { s.called(stream.Context(), "StreamMetricSpec"); none = s.noStream })
	if none {
		return status.Error(codes.Unimplemented, "no StreamMetricSpec")
	}
	for {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case spec := <-s.specs:
			if spec == nil {
				return status.Error(codes.Internal, "the test ends the stream")
			}
			if err := stream.Send(spec); err != nil {
				return err
			}
		}
	}
}

// send hands v to whoever takes it.
func send[T any](t *testing.T, ch chan<- T, v T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waittest.Patience)
	defer cancel()
	select {
	case ch <- v:
	case <-ctx.Done():
		t.Fatalf("nobody took %v", v)
	}
}

// operator runs a fake operator, 100 times faster than KEDA unless cfg says otherwise.
func operator(t *testing.T, s *scripted, cfg kedatest.Config) *kedatest.Operator {
	t.Helper()
	if cfg.Addresses == nil {
		cfg.Addresses = []string{s.addr}
	}
	if cfg.Speed == 0 {
		cfg.Speed = 100
	}
	op, err := kedatest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(op.Close)
	return op
}

// add adds an object; its name defaults to default/f.
func add(t *testing.T, op *kedatest.Operator, obj kedatest.Object) kedatest.Key {
	t.Helper()
	if obj.Name == "" {
		obj.Namespace, obj.Name = "default", "f"
	}
	if err := op.Add(obj); err != nil {
		t.Fatal(err)
	}
	return obj.Key()
}

func await(t *testing.T, op *kedatest.Operator, key kedatest.Key, want string, ok func(kedatest.Status) bool) kedatest.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waittest.Patience)
	defer cancel()
	status, err := op.Await(ctx, key, want, ok)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func awaitReplicas(t *testing.T, op *kedatest.Operator, key kedatest.Key, n int) {
	t.Helper()
	await(t, op, key, "replicas", func(s kedatest.Status) bool { return s.Replicas == n })
}

// awaitOpen waits until a push stream is open and the first poll is over.
func awaitOpen(t *testing.T, op *kedatest.Operator, s *scripted, key kedatest.Key) {
	t.Helper()
	await(t, op, key, "a stream and a poll", func(st kedatest.Status) bool { return st.StreamsOpened > 0 && st.Polls > 0 })
	waittest.Eventually(t, func() error {
		if s.count("StreamIsActive") == 0 {
			return errors.New("no stream has arrived")
		}
		return nil
	})
}
